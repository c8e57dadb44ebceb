/** A worker for tests: its settings, and its parts over stores in memory. */
import { Duration, Effect, Exit, Layer, Scope } from "effect"
import * as WorkerIdentityMemory from "../../layers/memory/WorkerIdentityMemory.ts"
import type { Destination } from "../../src/delivery/Destination.ts"
import { Dispatcher } from "../../src/delivery/Dispatcher.ts"
import * as Reclaim from "../../src/delivery/Reclaim.ts"
import * as Turn from "../../src/delivery/Turn.ts"
import { Valve } from "../../src/delivery/Valve.ts"
import * as Worker from "../../src/delivery/Worker.ts"
import type { Change } from "../../src/domain/Change.ts"
import { Heartbeats } from "../../src/outbox/Heartbeats.ts"
import { Leases } from "../../src/outbox/Leases.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { changeOf, claim, commit, requestedAs } from "./Changes.ts"
import * as MemoryStores from "./MemoryStores.ts"
import * as RecordedSpans from "./RecordedSpans.ts"
import * as ScriptedDestination from "./ScriptedDestination.ts"

/** As much as a worker and its valve are told. */
export interface Options extends Turn.WorkerOptions {
  readonly batchSize: number
}

export const options: Options = {
  projection: "search",
  batchSize: 500,
  concurrency: 2,
  leaseFor: Duration.seconds(30),
  pollInterval: Duration.seconds(1),
  attemptsMax: 3,
  drainFor: Duration.seconds(25)
}

const backoff = { baseMs: 10_000, capMs: 60_000 }

export type Stores = Layer.Success<typeof MemoryStores.layer>
type Told = Layer.Layer<Destination, never, Stores>
/** Replaces some of the stores' ports. */
type Ports = Layer.Layer<never, never, Stores>

/** Whom the worker delivers to, and who it is. */
const parts = (destination: Told, set: Partial<Options> = {}, name = "w1") => {
  const { attemptsMax, batchSize, concurrency, leaseFor, projection } = { ...options, ...set }
  return Dispatcher.layer({ attemptsMax, leaseFor, backoff }).pipe(
    Layer.provide(destination),
    Layer.provideMerge(Valve.layer(projection, { batch: batchSize, slots: concurrency })),
    Layer.provideMerge(Layer.orDie(WorkerIdentityMemory.layer(name)))
  )
}

/** The worker's view of its leases, when the database does not do as it should. */
export const leasesThat = (change: (leases: Leases["Service"]) => Partial<Leases["Service"]>) =>
  Layer.effect(Leases, Effect.map(Leases, (leases) => Leases.of({ ...leases, ...change(leases) })))
export const heartbeatsThat = (extend: (heartbeats: Heartbeats["Service"]) => Heartbeats["Service"]["extend"]) =>
  Layer.effect(Heartbeats, Effect.map(Heartbeats, (heartbeats) => Heartbeats.of({ extend: extend(heartbeats) })))
export const controlThat = (change: (control: ProjectionControl["Service"]) => Partial<ProjectionControl["Service"]>) =>
  Layer.effect(
    ProjectionControl,
    Effect.map(ProjectionControl, (control) => ProjectionControl.of({ ...control, ...change(control) }))
  )

export const away = Effect.fail(new StoreUnavailable({ cause: "away" }))

interface Given {
  readonly spans?: Layer.Layer<RecordedSpans.RecordedSpans>
  readonly ports?: Ports
  readonly options?: Partial<Options>
}

/** Everything that a batch needs, over a store of its own. */
export const working = (destination: Told, given: Given = {}) =>
  Effect.provide(
    parts(destination, given.options).pipe(
      Layer.provideMerge(given.ports ?? Layer.empty),
      Layer.provideMerge(MemoryStores.layer),
      Layer.provideMerge(given.spans ?? RecordedSpans.layer)
    )
  )

/** A store, for the workers that a test starts. */
export const store = Effect.provide(MemoryStores.layer.pipe(Layer.provideMerge(RecordedSpans.layer)))

/** Starts a worker; the answer's `stop` does what a SIGTERM would. */
export const start = Effect.fnUntraced(function*(
  given: Pick<Given, "options" | "ports"> & { readonly destination?: Told } = {},
  name = "w1"
) {
  const scope = yield* Scope.make()
  const worker = Worker.layer({ ...options, ...given.options }).pipe(
    Layer.provide(
      parts(given.destination ?? ScriptedDestination.always(ScriptedDestination.written), given.options, name)
    ),
    Layer.provide(given.ports ?? Layer.empty)
  )
  yield* Layer.buildWithScope(worker, scope)
  return { stop: Scope.close(scope, Exit.void) }
})

/** How many rows there were. */
export const runOnce = Effect.map(Turn.runOnce(options), (turn) => turn._tag === "Worked" ? turn.rows : 0)
export const reclaimOnce = Reclaim.reclaimOnce(options)

/** As a worker does that is killed between its claim and its settlement. */
export const killedAfterClaim = claim({ worker: "w-killed" })

/** Commits within the span of a request, as the API does. */
export const request = (...changes: ReadonlyArray<Change>) =>
  commit(...(changes.length === 0 ? [changeOf()] : changes)).pipe(
    requestedAs("r-1"),
    Effect.withSpan("POST /api/v1/tags", { kind: "server", root: true })
  )

/** The rows of an outbox, the oldest first. */
export const rowsOf = (projection: Projection) =>
  Effect.map(
    OutboxReport.use((report) => report.events({ projection }, 1_000, undefined)),
    ({ items }) => items.toReversed()
  )
export const rows = rowsOf("search")
export const statuses = Effect.map(rows, (all) => all.map(({ status }) => status))
