/** Processes whose spans a test makes as it likes, each with settings, a queue and a memory of its own. */
import { Clock, Context, Effect, Exit, Option, Result, Tracer } from "effect"
import * as TracerProvider from "../../layers/telemetry/TracerProvider.ts"
import type { TraceContext } from "../../src/domain/TraceContext.ts"
import { read } from "../../src/settings/Settings.ts"
import { SpanError } from "../../src/telemetry/SpanFailure.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"

const never = { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" }

/** A process of its own: its settings, its queue and its memory. */
export const processOf = (url: string, service: string, env: Readonly<Record<string, string>> = {}) => {
  const settings = Result.getOrThrow(
    read({
      WORDLOOM_TRACING: "export",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url,
      OTEL_BSP_SCHEDULE_DELAY: "60000",
      ...never,
      ...env
    })
  )
  return TracerProvider.layer(settings, service)
}

interface Part {
  readonly name: string
  readonly kind?: Tracer.SpanKind
  readonly attributes?: Readonly<Record<string, unknown>>
  readonly lasts?: bigint
  readonly fails?: boolean
  readonly inner?: ReadonlyArray<Part>
}

/** Makes the spans as they say, the inner ones first to end, and answers the contexts by their names. */
export const make = (part: Part, parent: Option.Option<Tracer.AnySpan>): Effect.Effect<Map<string, TraceContext>> =>
  Effect.gen(function*() {
    const tracer = yield* Tracer.Tracer
    const carrier = yield* TraceCarrier
    const startTime = yield* Clock.currentTimeNanos
    const { fails, inner = [], kind = "internal", lasts = 1_000n, name } = part
    const span = tracer.span({
      name,
      parent,
      kind,
      startTime,
      annotations: Context.empty(),
      links: [],
      root: Option.isNone(parent),
      sampled: true
    })
    for (const [key, value] of Object.entries(part.attributes ?? {})) span.attribute(key, value)
    const made = new Map([[name, carrier.inject(span)!]])
    for (const one of inner) for (const [key, value] of yield* make(one, Option.some(span))) made.set(key, value)
    span.end(startTime + lasts, fails === true ? Exit.fail(new SpanError("no luck")) : Exit.void)
    return made
  })

export const request = (more: Partial<Part> = {}, status = 201) =>
  make({
    name: "POST /api/v1/tags",
    kind: "server",
    attributes: { "http.response.status_code": status },
    inner: [{ name: "db.tx", inner: [{ name: "db.create", kind: "client" }] }, {
      name: "outbox.enqueue",
      kind: "producer"
    }],
    ...more
  }, Option.none())
