/** One batch from its claim to its settlement: delivered once, decided row by row, acknowledged under its own token. */
import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Random, Schedule, Tracer } from "effect"
import type { ErrorType } from "../outbox/ErrorType.ts"
import { Heartbeats } from "../outbox/Heartbeats.ts"
import { type Batch, type Delivery, Leases, type Settlement, type Spent } from "../outbox/Leases.ts"
import { isOrdered } from "../outbox/Projection.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { StoreAttributes } from "../telemetry/StoreAttributes.ts"
import { TraceCarrier } from "../telemetry/TraceCarrier.ts"
import { tellBatch } from "./AttemptSpans.ts"
import { report } from "./BatchReport.ts"
import { type Delivered, Destination } from "./Destination.ts"
import * as Fence from "./Fence.ts"
import * as ProcessSpans from "./ProcessSpans.ts"
import type { BatchFacts, RowFacts } from "./RowFacts.ts"
import { decide, inOrder, type Outcome, type Policy } from "./Settlement.ts"
import { type Admission, Valve } from "./Valve.ts"

export interface DispatchPolicy extends Policy {
  readonly leaseFor: Duration.Duration
}

/** Where on the time line the claim happened, and what it was admitted under. */
export interface ClaimFacts {
  readonly startedAt: bigint
  readonly endedAt: bigint
  readonly offset: bigint
  /** When the claim was sent, in monotonic nanoseconds. */
  readonly sentAt: bigint
  readonly under: Admission
}

interface Underway {
  readonly lease: Fence.HeldLease
  readonly begun: ProcessSpans.Begun
}

const sameForAll = (batch: Batch, outcome: Outcome): Delivered => ({
  outcomes: new Map(batch.deliveries.map(({ id }) => [id, outcome])),
  calls: []
})

const transient = (errorType: ErrorType, detail: string): Outcome & { readonly _tag: "Failed" } => ({
  _tag: "Failed",
  failure: { class: "transient", errorType, detail }
})

/** The far side missed the request as a whole. */
const unended = (batch: Batch): Delivered => {
  const outcome = transient("timeout", "the delivery did not end")
  return { ...sameForAll(batch, outcome), refused: outcome.failure }
}

/** A defect may be mended by the next deploy, so it is tried again like any other failure. */
const afterExit = (batch: Batch, exit: Exit.Exit<Delivered>, lease: Fence.HeldLease): Delivered => {
  if (Exit.isSuccess(exit)) return exit.value
  // Counted: a row over which its worker stands still every time must come to an end like any other.
  if (lease.hasStopped()) return sameForAll(batch, transient("stalled", "its worker stood still for half a lease"))
  if (Cause.hasInterruptsOnly(exit.cause)) return sameForAll(batch, { _tag: "Interrupted" })
  return sameForAll(batch, transient("internal", "an unexpected error; see the log"))
}

/** Its heartbeat would keep a delivery that hangs from ever being tried again. */
const deliveryMax = (leaseFor: Duration.Duration) => Duration.max(Duration.minutes(5), Duration.times(leaseFor, 10))

/** `undefined` when the far side was not asked. */
const spentOf = ({ endedAt }: ClaimFacts, { calls }: Delivered): Spent | undefined => {
  const [first] = calls
  if (first === undefined) return undefined
  const last = calls.reduce((latest, call) => call.endedAt > latest ? call.endedAt : latest, first.endedAt)
  return { loadMs: Number(first.startedAt - endedAt) / 1e6, engineMs: Number(last - first.startedAt) / 1e6 }
}

/** A settlement that the database does not answer is said again for as long as the lease may last. */
const settleAgain = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

export class Dispatcher extends Context.Service<Dispatcher, {
  /** Never fails: a batch that cannot be settled is left to its lease. Interruption gives the rows back. */
  readonly dispatch: (batch: Batch, claim: ClaimFacts) => Effect.Effect<void>
}>()("wordloom/delivery/Dispatcher") {
  static readonly layer = (policy: DispatchPolicy) =>
    Layer.effect(
      Dispatcher,
      Effect.gen(function*() {
        const leases = yield* Leases
        const heartbeats = yield* Heartbeats
        const destination = yield* Destination
        const valve = yield* Valve

        /** Ends only when nothing is held any more. */
        const heartbeat = Effect.fnUntraced(function*(batch: Batch, held: Fence.HeldLease) {
          let known = true
          for (;;) {
            // Once unanswered it is soon asked again: half a lease without an answer stops the writing.
            yield* Effect.sleep(Duration.times(policy.leaseFor, known ? 1 / 3 : 1 / 12))
            const sentAt = yield* Clock.monotonicTimeNanos
            const still = yield* heartbeats.extend(batch, policy.leaseFor).pipe(
              // What is written already must not be undone because nobody could say for how long.
              Effect.catchCause((cause) =>
                Effect.as(Effect.logWarning("a lease could not be lengthened", cause), undefined)
              )
            )
            if (still?.size === 0) return sameForAll(batch, { _tag: "Interrupted" })
            known = still !== undefined
            if (still !== undefined) {
              held.confirmed(sentAt)
            }
          }
        }, Effect.withTracerEnabled(false))

        const deliver = (batch: Batch, held: Fence.HeldLease) =>
          destination.deliver(batch.deliveries).pipe(
            Effect.provideService(Fence.Fence, held),
            Effect.tapCause((cause) =>
              Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("a delivery broke", cause)
            ),
            Effect.timeoutOrElse({
              duration: deliveryMax(policy.leaseFor),
              orElse: () => Effect.succeed(unended(batch))
            }),
            Effect.raceFirst(heartbeat(batch, held))
          )

        const decideAll = Effect.fnUntraced(function*(batch: Batch, under: Admission, delivered: Delivered) {
          const counts = yield* valve.note(under, delivered)
          const rows: Array<{ delivery: Delivery; outcome: Outcome; settlement: Settlement }> = []
          for (const delivery of batch.deliveries) {
            const outcome = delivered.outcomes.get(delivery.id) ?? transient("internal", "nothing was said of it")
            const jitter = outcome._tag === "Failed" ? yield* Random.next : 0
            // Each worker's breaker counts for itself, so many of them could bury a row for an outage that is not its
            // own.
            const spared = delivered.refused !== undefined && delivery.attempt >= policy.attemptsMax
            rows.push({ delivery, outcome, settlement: decide(delivery, outcome, policy, jitter, counts && !spared) })
          }
          return isOrdered[batch.projection] ? inOrder(rows) : rows
        })

        const settle = Effect.fnUntraced(
          function*(
            batch: Batch,
            settlements: ReadonlyArray<Settlement>,
            spent: Spent | undefined,
            lease: Fence.HeldLease
          ) {
            yield* Effect.annotateCurrentSpan({ ...(yield* StoreAttributes), expected: settlements.length })
            const held = yield* leases.settle(batch, settlements, spent).pipe(
              Effect.retry({ schedule: settleAgain, while: () => lease.mayLast })
            )
            yield* Effect.annotateCurrentSpan({ acked: held.size })
            return held
          },
          Effect.withSpan("outbox.ack_batch", {
            kind: "client",
            attributes: { step: "ack", "messaging.operation.type": "settle" }
          }, withoutStack)
        )

        const conclude = Effect.fnUntraced(
          function*(batch: Batch, claim: ClaimFacts, delivered: Delivered, { begun, lease }: Underway) {
            const ackStartedAt = yield* Clock.currentTimeNanos
            const decided = yield* decideAll(batch, claim.under, delivered)
            const settlements = decided.map(({ settlement }) => settlement)
            const held = yield* settle(batch, settlements, spentOf(claim, delivered), lease)
            const rows = decided.map((row): RowFacts => ({ ...row, held: held.has(row.delivery.id) }))
            const { deliveries: { length: size }, ...claimed } = batch
            const facts: BatchFacts = {
              batch: claimed,
              size,
              offset: claim.offset,
              claimStartedAt: claim.startedAt,
              claimedAt: claim.endedAt,
              ackStartedAt,
              endedAt: yield* Clock.currentTimeNanos,
              calls: delivered.calls,
              processBatch: yield* Effect.option(Effect.currentSpan),
              begun: begun.byRow
            }
            const failed = rows.filter((row) => !row.held || row.outcome._tag === "Failed").length
            yield* Effect.annotateCurrentSpan({
              ok: rows.filter(({ held, settlement }) => held && settlement._tag === "Done").length,
              failed,
              result: failed === 0 ? "ok" : "failed"
            })
            // Telling what happened must never undo or repeat what happened.
            yield* Effect.flatMap(tellBatch(facts, rows), (spans) => report(facts, rows, spans)).pipe(
              Effect.catchCause((cause) => Effect.logWarning("telemetry of a batch was lost", cause))
            )
          }
        )

        // The mask keeps a stopping worker from dropping rows between their delivery and their settlement.
        const dispatch = (batch: Batch, claim: ClaimFacts) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.gen(function*() {
              const lease = Fence.make(claim.sentAt, policy.leaseFor)
              const begun = ProcessSpans.make(yield* Tracer.Tracer, yield* TraceCarrier, claim.startedAt)
              const exit = yield* deliver(batch, lease).pipe(
                Effect.provideService(ProcessSpans.ProcessSpans, begun),
                restore,
                Effect.exit
              )
              yield* conclude(batch, claim, afterExit(batch, exit, lease), { begun, lease })
            })
          ).pipe(
            Effect.withSpan(
              "projection.process_batch",
              { attributes: { batch_size: batch.deliveries.length } },
              withoutStack
            ),
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
