/** The span that a row's `traceparent` names: the moment at which a change is left in an outbox. */
import { Context, Effect, Option, type Tracer } from "effect"
import type { TraceContext } from "../domain/TraceContext.ts"
import type { Projection } from "../outbox/Projection.ts"
import { TraceCarrier } from "./TraceCarrier.ts"

/**
 * The span around the transaction. `outbox.enqueue` is its child and not the transaction's, so that the story of a
 * change reads request → enqueue → process, whatever the database did in between.
 */
export const Around = Context.Reference<Option.Option<Tracer.AnySpan> | undefined>(
  "wordloom/telemetry/EnqueueSpan/Around",
  { defaultValue: () => undefined }
)

/** What a row that tells of it later names as its cause: the request's span, or nothing where there is no trace. */
export const cause = Effect.gen(function*() {
  const around = yield* Around
  const carrier = yield* TraceCarrier
  const span = around?._tag === "Some" ? around : yield* Effect.option(Effect.currentParentSpan)
  return span._tag === "Some" ? carrier.inject(span.value) : undefined
})

export interface EnqueueSpan {
  readonly span: Tracer.Span
  readonly context: TraceContext | undefined
}

/** Who leaves more at once is no request that somebody looks at row by row. */
const toldMax = 16

/** Whether the rows of one append are told one by one. Where each has a cause of its own, none has many. */
export const isTold = (changes: ReadonlyArray<unknown>, causes: ReadonlyArray<unknown> | undefined): boolean =>
  causes !== undefined || changes.length <= toldMax

/** Says on the span of whoever caused it which row waits for a worker now. */
export const queued = ({ span }: EnqueueSpan, projection: Projection, id: number, at: bigint): void => {
  const around = Option.getOrUndefined(span.parent)
  if (around?._tag === "Span") around.event("task_queued", at, { task_id: id, projection })
}

export const enqueueAttributes = (projection: Projection) => ({
  step: "outbox_enqueue",
  projection,
  "messaging.system": "postgresql",
  "messaging.operation.type": "create",
  "messaging.destination.name": `outbox.${projection}`
})

/** `own`: the span of the request that it belongs to, where the fiber works for several. */
export const make = Effect.fnUntraced(function*(projection: Projection, own?: Option.Option<Tracer.AnySpan>) {
  const around = own ?? (yield* Around)
  const carrier = yield* TraceCarrier
  const span = yield* Effect.makeSpan("outbox.enqueue", {
    kind: "producer",
    ...(around?._tag === "Some" ? { parent: around.value } : {}),
    attributes: enqueueAttributes(projection)
  })
  return { span, context: carrier.inject(span) } satisfies EnqueueSpan
})
