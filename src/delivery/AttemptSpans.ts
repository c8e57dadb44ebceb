/**
 * Tells each row's attempt in the trace of the request that caused it.
 *
 * A batch is claimed, delivered and settled as one, but people follow one change: so every row gets spans of its own,
 * with the times that the batch noted, once the outcome is known. A row without a trace costs nothing here.
 */
import { Context, Effect, Exit, Option, Tracer } from "effect"
import { reasonOf } from "../outbox/ErrorType.ts"
import type { Delivery, LostAttempt } from "../outbox/Leases.ts"
import type { Projection } from "../outbox/Projection.ts"
import { countInvalid } from "../telemetry/InboundContext.ts"
import { SpanBudget } from "../telemetry/SpanBudget.ts"
import { SpanError } from "../telemetry/SpanFailure.ts"
import { TraceCarrier } from "../telemetry/TraceCarrier.ts"
import { TraceKeeping } from "../telemetry/TraceKeeping.ts"
import { heldRows, keepLost, sorted, toNanos } from "./KeptRows.ts"
import { type BatchFacts, comesBackWith, type Nanos, outcomeOf, type RowFacts } from "./RowFacts.ts"

interface ToldError {
  readonly type: string
  readonly detail: string
}

interface SpanSpec {
  readonly name: string
  readonly kind?: Tracer.SpanKind
  readonly from: Nanos
  readonly to: Nanos
  readonly attributes?: Readonly<Record<string, unknown>>
  readonly error?: ToldError | undefined
  readonly links?: ReadonlyArray<Tracer.SpanLink>
}

const describe = (span: Tracer.Span, attributes: SpanSpec["attributes"] = {}) => {
  for (const key in attributes) span.attribute(key, attributes[key])
}

const begin = (tracer: Tracer.Tracer, parent: Tracer.AnySpan, spec: Omit<SpanSpec, "to">): Tracer.Span => {
  const span = tracer.span({
    name: spec.name,
    parent: Option.some(parent),
    annotations: Context.empty(),
    links: [...spec.links ?? []],
    startTime: spec.from,
    kind: spec.kind ?? "internal",
    root: false,
    sampled: parent.sampled
  })
  describe(span, spec.attributes)
  return span
}

const end = (span: Tracer.Span, at: Nanos, error: ToldError | undefined) => {
  if (error !== undefined) span.attribute("error.type", error.type)
  span.end(at, error === undefined ? Exit.void : Exit.fail(new SpanError(error.detail)))
}

const tell = (tracer: Tracer.Tracer, parent: Tracer.AnySpan, spec: SpanSpec): Tracer.Span => {
  const span = begin(tracer, parent, spec)
  end(span, spec.to, spec.error)
  return span
}

const errorOf = (row: RowFacts): ToldError | undefined =>
  !row.held
    ? { type: "lease_lost", detail: "the lease had ended before the settlement" }
    : row.outcome._tag === "Failed"
    ? { type: row.outcome.failure.errorType, detail: row.outcome.failure.detail }
    : undefined

const retryReason = (row: RowFacts) => {
  const why = comesBackWith(row)
  return row.held && why !== undefined ? { retry_reason: reasonOf(why) } : {}
}

/** The next one has the same number then. */
const notCounted = ({ held, settlement }: RowFacts) =>
  held && settlement._tag === "Release" && settlement.why !== null ? { counted: false } : {}

const processAttributes = (facts: BatchFacts, row: RowFacts) => {
  const error = errorOf(row)
  const { delivery } = row
  return {
    step: "worker_process",
    projection: facts.batch.projection,
    attempt: delivery.attempt,
    batch_size: facts.size,
    result: error === undefined ? "ok" : "failed",
    outcome: outcomeOf(row),
    ack_rows: row.held ? 1 : 0,
    reclaimed: delivery.reclaimed,
    event_id: String(delivery.id),
    entity_type: delivery.kind,
    entity_id: delivery.entityId,
    worker_id: facts.batch.worker,
    ...(delivery.requestId === null ? {} : { request_id: delivery.requestId, x_request_id: delivery.requestId }),
    ...(delivery.libraryId === null ? {} : { library_id: delivery.libraryId }),
    ...retryReason(row),
    ...notCounted(row),
    "messaging.system": "postgresql",
    "messaging.operation.type": "process",
    "messaging.destination.name": `outbox.${facts.batch.projection}`,
    "messaging.message.id": String(delivery.id)
  }
}

const tellWaits = (tracer: Tracer.Tracer, parent: Tracer.AnySpan, facts: BatchFacts, delivery: Delivery) => {
  const since = toNanos(delivery.waitingSince, facts.offset)
  const ready = toNanos(delivery.readyAt, facts.offset)
  const { projection } = facts.batch
  const waitFor = (reason: "queue" | "backoff", from: Nanos, to: Nanos) =>
    tell(tracer, parent, { name: "outbox.wait", from, to: to > from ? to : from, attributes: { reason, projection } })
  if (ready > since) waitFor("backoff", since, ready)
  waitFor("queue", ready > since ? ready : since, facts.claimedAt)
}

const tellSteps = (tracer: Tracer.Tracer, process: Tracer.Span, facts: BatchFacts, row: RowFacts) => {
  const { projection } = facts.batch
  const error = row.outcome._tag === "Failed" ? row.outcome.failure : undefined
  tell(tracer, process, {
    name: "outbox.claim",
    from: facts.claimStartedAt,
    to: facts.claimedAt,
    attributes: { projection }
  })
  for (const call of facts.calls) {
    tell(tracer, process, {
      name: call.name,
      kind: "client",
      from: call.startedAt,
      to: call.endedAt,
      attributes: { projection, ...call.attributes },
      error: error === undefined ? undefined : { type: error.errorType, detail: error.detail }
    })
  }
  if (error !== undefined) {
    tell(tracer, process, {
      name: "outbox.classify_error",
      from: facts.ackStartedAt,
      to: facts.ackStartedAt,
      attributes: {
        projection,
        decision: row.settlement._tag === "Dead" ? "dead" : "retry",
        error_type: error.errorType,
        error_class: error.class
      }
    })
  }
  tell(tracer, process, {
    name: "outbox.ack",
    from: facts.ackStartedAt,
    to: facts.endedAt,
    attributes: { step: "ack", projection, rows: row.held ? 1 : 0 }
  })
}

const tellRow = (tracer: Tracer.Tracer, parent: Tracer.AnySpan, facts: BatchFacts, row: RowFacts): Tracer.Span => {
  tellWaits(tracer, parent, facts, row.delivery)
  const from = facts.claimStartedAt > facts.claimedAt ? facts.claimedAt : facts.claimStartedAt
  const process = facts.begun.get(row.delivery.id) ??
    begin(tracer, parent, { name: "outbox.process", kind: "consumer", from })
  describe(process, processAttributes(facts, row))
  if (Option.isSome(facts.processBatch)) process.addLinks([{ span: facts.processBatch.value, attributes: {} }])
  tellSteps(tracer, process, facts, row)
  const error = errorOf(row)
  end(process, facts.endedAt, error)
  if (row.held && row.settlement._tag === "Dead") {
    const { detail, errorType } = row.settlement
    tell(tracer, parent, {
      name: "outbox.dead_letter",
      from: facts.endedAt,
      to: facts.endedAt,
      attributes: { projection: facts.batch.projection, event_id: String(row.delivery.id) },
      error: { type: errorType, detail }
    })
  }
  return process
}

/** OpenTelemetry's default; a claim may hold more rows than one span can link to. */
const linksMax = 128

/** Writes the spans of every traced row and answers them by row id; links run both ways with the batch's own span. */
export const tellBatch = Effect.fnUntraced(function*(facts: BatchFacts, rows: ReadonlyArray<RowFacts>) {
  const tracer = yield* Tracer.Tracer
  const carrier = yield* TraceCarrier
  const budget = yield* SpanBudget
  const keeping = yield* TraceKeeping
  const spans = new Map<number, Tracer.Span>()
  const tellOne = (row: RowFacts) => {
    const parent = carrier.extract(row.delivery.trace)
    if (parent !== undefined) spans.set(row.delivery.id, tellRow(tracer, parent, facts, row))
    return parent !== undefined
  }
  const { told, untold } = sorted(facts, rows, budget, keeping)
  for (const row of told) if (!tellOne(row)) yield* countInvalid("outbox")
  if (untold.length > 0) keeping.hold(heldRows(untold, tellOne))
  if (Option.isSome(facts.processBatch)) {
    const linked = [...spans.values()].slice(0, linksMax)
    facts.processBatch.value.addLinks(linked.map((span) => ({ span, attributes: {} })))
    const left = spans.size - linked.length
    if (left > 0) facts.processBatch.value.attribute("links_dropped", left)
  }
  return spans
})

/** The attempt that a killed worker could not tell of. */
export const tellLost = Effect.fnUntraced(function*(
  projection: Projection,
  lost: ReadonlyArray<LostAttempt>,
  offset: Nanos
) {
  const tracer = yield* Tracer.Tracer
  const carrier = yield* TraceCarrier
  const keeping = yield* TraceKeeping
  for (const attempt of lost) {
    keepLost(keeping, projection, attempt, offset)
    const parent = carrier.extract(attempt.trace)
    if (parent === undefined) continue
    const spec = {
      from: toNanos(attempt.claimedAt, offset),
      to: toNanos(attempt.lostAt, offset),
      attributes: {
        projection,
        attempt: attempt.attempt,
        event_id: String(attempt.id),
        worker_id: attempt.worker
      }
    }
    const killed = { type: "lease_expired", detail: "the worker never settled it" }
    tell(tracer, parent, { ...spec, name: "outbox.attempt_lost", error: killed })
    if (attempt.fate === "lease_expired" || attempt.fate === "crash_loop") {
      const detail = attempt.fate === "crash_loop" ? "its workers died over it" : "out of attempts"
      const error = { type: attempt.fate, detail }
      tell(tracer, parent, { ...spec, name: "outbox.dead_letter", from: spec.to, error })
    }
  }
})
