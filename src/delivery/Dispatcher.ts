/** One batch from its claim to its settlement: delivered once, decided row by row, acknowledged under its own token. */
import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Metric, Random, type Tracer } from "effect"
import { type Batch, type Delivery, Leases, type Settlement } from "../outbox/Leases.ts"
import type { Projection } from "../outbox/Projection.ts"
import { CurrentRequest } from "../telemetry/CurrentRequest.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { type BatchFacts, outcomeOf, type RowFacts, tellBatch } from "./AttemptSpans.ts"
import { type Delivered, Destination } from "./Destination.ts"
import { reasonOf } from "./Failure.ts"
import { decide, type Outcome, type Policy } from "./Settlement.ts"

export interface DispatchPolicy extends Policy {
  readonly leaseFor: Duration.Duration
}

/** Where on the time line the claim happened. */
export interface ClaimTimes {
  readonly startedAt: bigint
  readonly endedAt: bigint
  readonly offset: bigint
}

const sameForAll = (batch: Batch, outcome: Outcome): Delivered => ({
  outcomes: new Map(batch.deliveries.map(({ id }) => [id, outcome])),
  calls: []
})

const transient = (errorType: string, detail: string): Outcome => ({
  _tag: "Failed",
  failure: { class: "transient", errorType, detail }
})

/** A defect may be mended by the next deploy, so it is tried again like any other failure. */
const afterExit = (batch: Batch, exit: Exit.Exit<Delivered>): Delivered => {
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.hasInterruptsOnly(exit.cause)) return sameForAll(batch, { _tag: "Interrupted" })
  return sameForAll(batch, transient("internal", "an unexpected error; see the log"))
}

/** Its heartbeat would keep a delivery that hangs from ever being tried again. */
const deliveryMax = (leaseFor: Duration.Duration) => Duration.max(Duration.minutes(5), Duration.times(leaseFor, 10))

const count = Effect.fnUntraced(function*(projection: Projection, rows: ReadonlyArray<RowFacts>) {
  const add = (metric: Metric.Counter<number>, labels: Record<string, string>, by: number) =>
    by === 0 ? Effect.void : Metric.update(Metric.withAttributes(metric, { projection, ...labels }), by)
  const tally = new Map<string, number>()
  for (const row of rows) {
    const key = row.held
      ? `${row.settlement._tag}:${"errorType" in row.settlement ? row.settlement.errorType : ""}`
      : "lost:"
    tally.set(key, (tally.get(key) ?? 0) + 1)
  }
  for (const [key, by] of tally) {
    const [tag, errorType = ""] = key.split(":")
    yield* add(Metrics.processed, { result: tag === "Done" ? "ok" : "failed" }, tag === "Release" ? 0 : by)
    if (tag === "Retry") yield* add(Metrics.retries, { reason: reasonOf(errorType) }, by)
    if (tag === "Dead") yield* add(Metrics.deadRows, { error_type: errorType }, by)
    if (tag === "lost") yield* add(Metrics.guardMisses, {}, by)
  }
})

const observeTimes = Effect.fnUntraced(function*(facts: BatchFacts, rows: ReadonlyArray<RowFacts>) {
  const { projection } = facts.batch
  const context = yield* Effect.context()
  const lag = Metric.withAttributes(Metrics.lag, { projection })
  const wait = Metric.withAttributes(Metrics.wait, { projection })
  const endedAt = Number((facts.endedAt - facts.offset) / 1_000n)
  // An effect per row would cost a batch more than its settlement.
  for (const { delivery, held, settlement } of rows) {
    wait.updateUnsafe(Math.max(0, (facts.batch.claimedAt - delivery.readyAt) / 1e6), context)
    if (held && settlement._tag === "Done") {
      lag.updateUnsafe(Math.max(0, (endedAt - delivery.createdAt) / 1e6), context)
    }
  }
})

const logRow = (projection: Projection, row: RowFacts) => {
  const { delivery, outcome } = row
  const fields = {
    projection,
    event_id: delivery.id,
    entity_type: delivery.kind,
    entity_id: delivery.entityId,
    attempt: delivery.attempt,
    outcome: outcomeOf(row),
    ...(outcome._tag === "Failed" ? { error_type: outcome.failure.errorType, error: outcome.failure.detail } : {})
  }
  return row.held && row.settlement._tag === "Retry"
    ? Effect.logWarning("a change is tried again", fields)
    : Effect.logError("a change was not delivered", fields)
}

const isQuiet = ({ held, settlement }: RowFacts) =>
  held && (settlement._tag === "Done" || settlement._tag === "Release")

/** Under the request's trace and id, so that a log search for either finds the worker's line too. */
const logRows = (projection: Projection, rows: ReadonlyArray<RowFacts>, spans: ReadonlyMap<number, Tracer.Span>) =>
  Effect.forEach(rows.filter((row) => !isQuiet(row)), (row) => {
    const span = spans.get(row.delivery.id)
    const line = logRow(projection, row).pipe(
      Effect.provideService(CurrentRequest, { requestId: row.delivery.requestId, actor: row.delivery.actor })
    )
    return span === undefined ? line : Effect.withParentSpan(line, span)
  }, { discard: true })

export class Dispatcher extends Context.Service<Dispatcher, {
  /** Never fails: a batch that cannot be settled is left to its lease. Interruption gives the rows back. */
  readonly dispatch: (batch: Batch, times: ClaimTimes) => Effect.Effect<void>
}>()("wordloom/delivery/Dispatcher") {
  static readonly layer = (policy: DispatchPolicy) =>
    Layer.effect(
      Dispatcher,
      Effect.gen(function*() {
        const leases = yield* Leases
        const destination = yield* Destination

        const heartbeat = (batch: Batch) =>
          leases.extend(batch, policy.leaseFor).pipe(
            Effect.catchTag("StoreUnavailable", (error) => Effect.logWarning("a lease could not be lengthened", error)),
            Effect.delay(Duration.times(policy.leaseFor, 1 / 3)),
            Effect.forever,
            Effect.withTracerEnabled(false)
          )

        const deliver = (batch: Batch) =>
          destination.deliver(batch.deliveries).pipe(
            Effect.tapCause((cause) =>
              Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("a delivery broke", cause)
            ),
            Effect.timeoutOrElse({
              duration: deliveryMax(policy.leaseFor),
              orElse: () => Effect.succeed(sameForAll(batch, transient("timeout", "the delivery did not end")))
            }),
            Effect.raceFirst(heartbeat(batch))
          )

        const decideAll = Effect.fnUntraced(function*(batch: Batch, { outcomes }: Delivered) {
          const rows: Array<{ delivery: Delivery; outcome: Outcome; settlement: Settlement }> = []
          for (const delivery of batch.deliveries) {
            const outcome = outcomes.get(delivery.id) ?? transient("internal", "nothing was said of it")
            const settlement = decide(delivery, outcome, policy, outcome._tag === "Failed" ? yield* Random.next : 0)
            rows.push({ delivery, outcome, settlement })
          }
          return rows
        })

        const settle = Effect.fn("outbox.ack_batch", {
          kind: "client",
          attributes: { step: "ack", "messaging.operation.type": "settle" }
        })(function*(batch: Batch, settlements: ReadonlyArray<Settlement>) {
          yield* Effect.annotateCurrentSpan({ expected: settlements.length })
          const held = yield* leases.settle(batch, settlements)
          yield* Effect.annotateCurrentSpan({ acked: held.size })
          return held
        })

        const conclude = Effect.fnUntraced(function*(batch: Batch, times: ClaimTimes, delivered: Delivered) {
          const { projection } = batch
          const ackStartedAt = yield* Clock.currentTimeNanos
          const decided = yield* decideAll(batch, delivered)
          const held = yield* settle(batch, decided.map(({ settlement }) => settlement))
          const rows = decided.map((row): RowFacts => ({ ...row, held: held.has(row.delivery.id) }))
          const facts: BatchFacts = {
            batch,
            offset: times.offset,
            claimStartedAt: times.startedAt,
            claimedAt: times.endedAt,
            ackStartedAt,
            endedAt: yield* Clock.currentTimeNanos,
            calls: delivered.calls,
            processBatch: yield* Effect.option(Effect.currentSpan)
          }
          const failed = rows.filter((row) => !row.held || row.outcome._tag === "Failed").length
          yield* Effect.annotateCurrentSpan({
            ok: rows.length - failed,
            failed,
            result: failed === 0 ? "ok" : "failed"
          })
          // Telling what happened must never undo or repeat what happened.
          yield* Effect.gen(function*() {
            const spans = yield* tellBatch(facts, rows)
            yield* logRows(projection, rows, spans)
            yield* count(projection, rows)
            yield* observeTimes(facts, rows)
          }).pipe(Effect.catchCause((cause) => Effect.logWarning("telemetry of a batch was lost", cause)))
        })

        // The mask keeps a stopping worker from dropping rows between their delivery and their settlement.
        const dispatch = (batch: Batch, times: ClaimTimes) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.exit(restore(deliver(batch))).pipe(
              Effect.flatMap((exit) => conclude(batch, times, afterExit(batch, exit)))
            )
          ).pipe(
            Effect.withSpan("projection.process_batch", { attributes: { batch_size: batch.deliveries.length } }),
            Effect.annotateSpans("projection", batch.projection),
            Effect.catchTag(
              "StoreUnavailable",
              (error) => Effect.logWarning("a batch could not be settled; its lease will end", error)
            ),
            Effect.catchCause((cause) => Effect.logError("a batch was left to its lease", cause))
          )

        return Dispatcher.of({ dispatch })
      })
    )
}
