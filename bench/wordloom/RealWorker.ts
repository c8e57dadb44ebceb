/** The product's own worker as programs/compose/Workers.ts puts it together, with a destination of the benchmark's. */
import { Duration, Effect, Layer } from "effect"
import * as HeartbeatsPostgres from "../../layers/postgres/HeartbeatsPostgres.ts"
import * as Housekeeping from "../../layers/postgres/Housekeeping.ts"
import * as PostgresClient from "../../layers/postgres/PostgresClient.ts"
import * as WakeUpsPostgres from "../../layers/postgres/WakeUpsPostgres.ts"
import * as WorkerIdentityPostgres from "../../layers/postgres/WorkerIdentityPostgres.ts"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import { DatabaseAddress } from "../../programs/compose/Database.ts"
import * as Foundation from "../../programs/compose/Foundation.ts"
import { keepHeapSmall } from "../../programs/compose/SmallHeap.ts"
import { Destination } from "../../src/delivery/Destination.ts"
import { Dispatcher } from "../../src/delivery/Dispatcher.ts"
import * as OutboxGauges from "../../src/delivery/OutboxGauges.ts"
import type { Outcome } from "../../src/delivery/Settlement.ts"
import { Valve } from "../../src/delivery/Valve.ts"
import * as Worker from "../../src/delivery/Worker.ts"
import type { Delivery } from "../../src/outbox/Leases.ts"
import { Leases } from "../../src/outbox/Leases.ts"
import { Settings } from "../../src/settings/Settings.ts"

// As programs/compose/Worker.ts does.
keepHeapSmall()

const done: Outcome = { _tag: "Written" }

/** Says of every row that it was told, after `seen` had a look at the batch. */
export const destination = (seen: (deliveries: ReadonlyArray<Delivery>) => void) =>
  Layer.succeed(
    Destination,
    Destination.of({
      deliver: (deliveries) =>
        Effect.sync(() => {
          seen(deliveries)
          return { outcomes: new Map(deliveries.map(({ id }) => [id, done])), calls: [] }
        })
    })
  )

/** Calls `settled` with the number of rows that each settlement found still held. */
export const counting = (settled: (rows: number) => void) =>
  Layer.effect(
    Leases,
    Effect.map(Leases, (leases) =>
      Leases.of({
        ...leases,
        settle: (batch, settlements) =>
          Effect.tap(leases.settle(batch, settlements), (held) => Effect.sync(() => settled(held.size)))
      }))
  )

/** Over a connection of their own, as there. */
const heartbeats = Layer.unwrap(Effect.map(DatabaseAddress, (address) =>
  HeartbeatsPostgres.layer.pipe(
    Layer.provide(PostgresClient.layer(address, { name: "wordloom-bench-heartbeat", pool: 1 }))
  )))

export const worker = (told: Layer.Layer<Destination>) =>
  Layer.unwrap(Effect.map(Settings, (settings) => {
    const { attemptsMax, lease } = settings
    const backoff = {
      baseMs: Duration.toMillis(settings.backoffBase),
      capMs: Duration.toMillis(settings.backoffCap)
    }
    const drain = Worker.layer({
      projection: "search",
      batchSize: settings.batchSize,
      concurrency: settings.concurrency,
      leaseFor: lease,
      pollInterval: settings.pollInterval,
      attemptsMax,
      drainFor: settings.shutdownGrace
    }).pipe(
      Layer.provide(Dispatcher.layer({ attemptsMax, leaseFor: lease, backoff })),
      Layer.provide(Valve.layer("search", { batch: settings.batchSize, slots: settings.concurrency })),
      Layer.provide(told),
      Layer.provide(OpenTelemetry.layer("wordloom-search-outbox-worker"))
    )
    return Layer.mergeAll(OutboxGauges.layer, drain).pipe(
      Layer.provide(WorkerIdentityPostgres.layer(`bench-${process.pid}`)),
      Layer.provide([WakeUpsPostgres.layer, heartbeats]),
      Layer.provide(Housekeeping.layer)
    )
  }))

export const foundation = Foundation.layer("wordloom-bench")
