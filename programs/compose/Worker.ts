/** The worker: tells the search index and the chronicle of every committed change. */
import { Effect, Layer } from "effect"
import * as HealthRoutes from "../../layers/http/HealthRoutes.ts"
import * as MetricsRoute from "../../layers/http/MetricsRoute.ts"
import { serve } from "../../layers/http/Serve.ts"
import * as HealthPostgres from "../../layers/postgres/HealthPostgres.ts"
import { Settings } from "../../src/settings/Settings.ts"
import * as Foundation from "./Foundation.ts"
import { launch } from "./Main.ts"
import { keepHeapSmall } from "./SmallHeap.ts"
import * as Workers from "./Workers.ts"

keepHeapSmall()

const probes = Layer.unwrap(
  Effect.map(Settings, ({ httpHost, shutdownGrace, workerHttpPort, workerMetricsPort }) =>
    Layer.mergeAll(
      serve(HealthRoutes.layer, Layer.empty, { host: httpHost, port: workerHttpPort, grace: shutdownGrace }),
      serve(MetricsRoute.layer, Layer.empty, { host: httpHost, port: workerMetricsPort, grace: shutdownGrace })
    ))
).pipe(Layer.provide(HealthPostgres.layer({ search: true, claims: true })))

const told = Layer.effectDiscard(
  Effect.flatMap(
    Settings,
    ({ projections, workerHttpPort, workerMetricsPort }) =>
      Effect.logInfo(`draining ${projections.join(" and ")}`, {
        health: `:${workerHttpPort}/health`,
        metrics: `:${workerMetricsPort}/metrics`
      })
  )
)

launch(
  told.pipe(
    Layer.provide([Workers.layer, probes]),
    Layer.provide(Foundation.layer("wordloom-outbox-worker"))
  )
)
