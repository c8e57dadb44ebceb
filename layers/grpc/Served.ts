/** How logic's services are served: a call is read, answered while its caller waits, and refused in words. */
import type { sendUnaryData, ServerUnaryCall, StatusObject } from "@grpc/grpc-js"
import { Cause, Effect, type Fiber, Option, Result, Schema } from "effect"
import { excerpt } from "../../src/domain/Text.ts"

export type Call = ServerUnaryCall<unknown, unknown>

type Requests = Readonly<Record<string, Schema.ConstraintDecoder<unknown>>>

/** `Context` is what the way around a handler needs. */
export interface Service<R extends Requests, Refusal, Context = never> {
  /** Each method's request, as it must be before anything is done for it. */
  readonly requests: R
  readonly handlers: { readonly [M in keyof R]: (request: R[M]["Type"]) => Effect.Effect<object, Refusal> }
  readonly within: (work: Effect.Effect<object, Refusal>, call: Call) => Effect.Effect<object, Refusal, Context>
  readonly invalid: (detail: string) => Refusal
  readonly unavailable: (detail: string) => Refusal
  readonly toStatus: (refusal: Refusal) => Partial<StatusObject>
}

/** The methods as a server takes them. */
export const implementation = <R extends Requests, Refusal, Context>(
  { handlers, invalid, requests, toStatus, unavailable, within }: Service<R, Refusal, Context>,
  run: (work: Effect.Effect<void, never, Context>) => Fiber.Fiber<void>
) => {
  const answer = (method: keyof R, call: Call) => {
    const decoded = Schema.decodeUnknownResult(requests[method]!)(call.request)
    const work = Result.isSuccess(decoded)
      ? handlers[method](decoded.success)
      : Effect.fail(invalid(excerpt(decoded.failure.message, 500)))
    // An error of ours is told without its inside, which goes to the log.
    return Effect.catchDefect(work, (defect) =>
      Effect.andThen(
        Effect.logError("a call broke", { method }, Cause.die(defect)),
        Effect.fail(unavailable("an unexpected error"))
      ))
  }
  const handled = (method: keyof R) => (call: Call, reply: sendUnaryData<unknown>) => {
    const fiber = run(
      Effect.matchCause(within(answer(method, call), call), {
        onSuccess: (value) => reply(null, value),
        onFailure: (cause) =>
          reply(toStatus(Option.getOrElse(Cause.findErrorOption(cause), () => unavailable("stopping"))))
      })
    )
    // Whoever gave up waiting, or whose dead line has passed, needs no answer.
    call.on("cancelled", () => fiber.interruptUnsafe())
  }
  return Object.fromEntries(Object.keys(requests).map((method) => [method, handled(method)]))
}
