/** The loops that drain the outboxes, each under the name of its own service. */
import { Duration, Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import * as HeartbeatsPostgres from "../../layers/postgres/HeartbeatsPostgres.ts"
import * as Housekeeping from "../../layers/postgres/Housekeeping.ts"
import * as PostgresClient from "../../layers/postgres/PostgresClient.ts"
import * as WakeUpsPostgres from "../../layers/postgres/WakeUpsPostgres.ts"
import * as WorkerIdentityPostgres from "../../layers/postgres/WorkerIdentityPostgres.ts"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import type { Chronicle } from "../../src/chronicle/Chronicle.ts"
import * as ChronicleDestination from "../../src/chronicle/ChronicleDestination.ts"
import type { Destination } from "../../src/delivery/Destination.ts"
import { Dispatcher } from "../../src/delivery/Dispatcher.ts"
import * as FanOut from "../../src/delivery/FanOut.ts"
import * as OutboxGauges from "../../src/delivery/OutboxGauges.ts"
import { Valve } from "../../src/delivery/Valve.ts"
import * as Worker from "../../src/delivery/Worker.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import * as ReconcileSchedule from "../../src/reconcile/Schedule.ts"
import type { SearchBuilds } from "../../src/search/SearchBuilds.ts"
import * as SearchDestination from "../../src/search/SearchDestination.ts"
import type { SearchIndex } from "../../src/search/SearchIndex.ts"
import type { SearchSource } from "../../src/search/SearchSource.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { DatabaseAddress } from "./Database.ts"
import { preparedIndex } from "./Foundation.ts"
import * as Keeping from "./Keeping.ts"

/** What is relayed to the message bus is relayed by logic. */
const tracers = {
  search: OpenTelemetry.layer("wordloom-search-outbox-worker"),
  chronicle: OpenTelemetry.layer("wordloom-chronicle-outbox-worker"),
  realtime: OpenTelemetry.layer("wordloom-logic")
} as const

/** Whoever drains search also sees from time to time whether the index says what it should. */
const reconciled = Layer.unwrap(
  Effect.map(
    Settings,
    ({ projections, reconcileEvery: every, reconcileRepair: repair }) =>
      projections.includes("search")
        ? ReconcileSchedule.layer({ every, repair }).pipe(
          Layer.provide(tracers.search)
        )
        : Layer.empty
  )
)

type Told = Layer.Layer<Destination, never, SearchIndex | SearchSource | SearchBuilds | Chronicle>

const destinations: Readonly<Record<"search" | "chronicle", Told>> = {
  search: SearchDestination.layer.pipe(Layer.provide(preparedIndex)),
  chronicle: ChronicleDestination.layer
}

/** Drains one outbox to whoever is told of it. */
export const drain = <R>(projection: Projection, told: Layer.Layer<Destination, never, R>) =>
  Layer.unwrap(Effect.map(Settings, (settings) => {
    const { attemptsMax, lease } = settings
    const backoff = {
      baseMs: Duration.toMillis(settings.backoffBase),
      capMs: Duration.toMillis(settings.backoffCap)
    }
    const worker = Worker.layer({
      projection,
      concurrency: settings.concurrency,
      leaseFor: lease,
      pollInterval: settings.pollInterval,
      attemptsMax,
      drainFor: settings.shutdownGrace
    })
    // Only the index shows names of others.
    const fanOut = FanOut.layer({ ...FanOut.bounds, pollInterval: settings.pollInterval })
    return (projection === "search" ? Layer.merge(worker, fanOut) : worker).pipe(
      Layer.provide(Dispatcher.layer({ attemptsMax, leaseFor: lease, backoff })),
      Layer.provide(Valve.layer(projection, { batch: settings.batchSize, slots: settings.concurrency })),
      Layer.provide(told),
      Layer.provide(tracers[projection])
    )
  }))

/** A heartbeat waits neither for the pool nor behind the work that it keeps alive. */
const heartbeats = Layer.unwrap(Effect.map(DatabaseAddress, (address) =>
  HeartbeatsPostgres.layer.pipe(
    Layer.provide(PostgresClient.layer(address, { name: "wordloom-outbox-heartbeat", pool: 1 }))
  )))

const ownId = () => `${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`

/** What drains stand on: a name of their own, hints, heartbeats and a kept house. */
export const around = <E, R>(drains: Layer.Layer<never, E, R>) =>
  Layer.unwrap(Effect.map(Settings, ({ workerId }) =>
    Layer.mergeAll(OutboxGauges.layer, drains).pipe(
      Layer.provide(WorkerIdentityPostgres.layer(workerId ?? ownId())),
      Layer.provide([WakeUpsPostgres.layer, heartbeats]),
      Layer.provide(Housekeeping.layer)
    )))

/** `further`: what else is drained under the same worker's name, realtime among it: only it needs a bus. */
export const layerWith = <E, R>(further: Layer.Layer<never, E, R>) =>
  Layer.unwrap(Effect.map(Settings, ({ projections }) => {
    const drains = projections.flatMap((projection) =>
      projection === "realtime" ? [] : [drain(projection, destinations[projection])]
    )
    return around(Layer.mergeAll(reconciled, Keeping.layer, further, ...drains))
  }))

export const layer = layerWith(Layer.empty)
