/** The span and the log line of one piece of the request plane, with what it worked and what it waited. */
import { Cause, Effect, Exit } from "effect"
import type { Tracer } from "effect"
import { watched } from "../telemetry/BusyTime.ts"
import { CurrentRequest } from "../telemetry/CurrentRequest.ts"
import { withoutStack } from "../telemetry/Spans.ts"

interface Told {
  readonly name: "http-request" | "handle_payload"
  readonly kind: Tracer.SpanKind
  readonly attributes: Readonly<Record<string, string>>
  /** Whose child it is, where that is not the current span. */
  readonly parent?: Tracer.AnySpan | undefined
  /** What goes on within one process is told by the request's own line already. */
  readonly logged: boolean
}

const errorOf = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const error = Cause.squash(exit.cause)
  return typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "internal"
}

export const inStageSpan = <A, E, R>(told: Told, work: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { requestId } = yield* CurrentRequest
    const ids = requestId === null ? {} : { request_id: requestId, x_request_id: requestId }
    const body = watched((watch) =>
      Effect.onExit(work, (exit) =>
        Effect.gen(function*() {
          const { busy_ns, idle_ns } = watch()
          const error = errorOf(exit)
          const failed = error === undefined ? {} : { "error.type": error }
          yield* Effect.annotateCurrentSpan({ busy_ns, idle_ns, ...failed })
          if (!told.logged) return
          yield* Effect.logInfo(told.name, {
            span: told.name,
            ...told.attributes,
            duration_ms: Math.round((busy_ns + idle_ns) / 1e3) / 1e3,
            busy_ns,
            idle_ns,
            ...failed
          })
        }))
    )
    return yield* Effect.withSpan(told.name, {
      kind: told.kind,
      attributes: { ...told.attributes, ...ids },
      ...(told.parent === undefined ? {} : { parent: told.parent })
    }, withoutStack)(body)
  })
