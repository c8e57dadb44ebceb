/** A worker for tests: its settings, and its parts over stores in memory. */
import { Duration, Effect, Layer } from "effect"
import * as WorkerIdentityMemory from "../../layers/memory/WorkerIdentityMemory.ts"
import type { Destination } from "../../src/delivery/Destination.ts"
import { Dispatcher } from "../../src/delivery/Dispatcher.ts"
import * as Worker from "../../src/delivery/Worker.ts"
import type { Change } from "../../src/domain/Change.ts"
import { Leases } from "../../src/outbox/Leases.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import { changeOf, claim, commit, requestedAs } from "./Changes.ts"
import * as MemoryStores from "./MemoryStores.ts"
import * as RecordedSpans from "./RecordedSpans.ts"

export const options: Worker.WorkerOptions = {
  projection: "search",
  batchSize: 500,
  concurrency: 2,
  leaseFor: Duration.seconds(30),
  pollInterval: Duration.seconds(1),
  attemptsMax: 3,
  drainFor: Duration.seconds(25)
}

const policy = { attemptsMax: 3, leaseFor: options.leaseFor, backoff: { baseMs: 10_000, capMs: 60_000 } }

/** Whom the worker delivers to, and who it is. */
export const parts = (destination: Layer.Layer<Destination, never, Stores>, worker = "w1") =>
  Layer.merge(
    Dispatcher.layer(policy).pipe(Layer.provide(destination)),
    Layer.orDie(WorkerIdentityMemory.layer(worker))
  )

export type Stores = Layer.Success<typeof MemoryStores.layer>

/** The worker's view of its leases, when the database does not do as it should. */
export const leasesThat = (change: (leases: Leases["Service"]) => Partial<Leases["Service"]>) =>
  Layer.effect(Leases, Effect.map(Leases, (leases) => Leases.of({ ...leases, ...change(leases) })))

/** Everything that a batch needs, over a store of its own. */
export const working = (destination: Layer.Layer<Destination, never, Stores>, given: {
  readonly spans?: Layer.Layer<RecordedSpans.RecordedSpans>
  readonly leases?: Layer.Layer<Leases, never, Leases>
} = {}) =>
  Effect.provide(
    parts(destination).pipe(
      Layer.provideMerge(given.leases ?? Layer.empty),
      Layer.provideMerge(MemoryStores.layer),
      Layer.provideMerge(given.spans ?? RecordedSpans.layer)
    )
  )

export const runOnce = Worker.runOnce(options)
export const reclaimOnce = Worker.reclaimOnce(options)

/** As a worker does that is killed between its claim and its settlement. */
export const killedAfterClaim = claim({ worker: "w-killed" })

/** Commits within the span of a request, as the API does. */
export const request = (...changes: ReadonlyArray<Change>) =>
  commit(...(changes.length === 0 ? [changeOf()] : changes)).pipe(
    requestedAs("r-1"),
    Effect.withSpan("POST /api/v1/tags", { kind: "server", root: true })
  )

/** The rows of the search outbox, the oldest first. */
export const rows = Effect.map(
  OutboxReport.use((report) => report.events({ projection: "search" }, 1_000, undefined)),
  ({ items }) => items.toReversed()
)
