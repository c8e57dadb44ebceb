/** The worker: tells the search index and the chronicle of every committed change. */
import { Effect, Layer } from "effect"
import * as HealthRoutes from "../../layers/http/HealthRoutes.ts"
import * as MetricsRoute from "../../layers/http/MetricsRoute.ts"
import { serve } from "../../layers/http/Serve.ts"
import * as HealthPostgres from "../../layers/postgres/HealthPostgres.ts"
import { type Demand, Settings } from "../../src/settings/Settings.ts"
import * as Foundation from "./Foundation.ts"
import { launch } from "./Main.ts"
import { forChain } from "./NatsAddress.ts"
import * as Workers from "./Workers.ts"

/** Beside logic's own relay: whoever asks for it here has a bus between processes. Only then the chain is loaded. */
const ofChain = Effect.gen(function*() {
  const { projections } = yield* Settings
  if (!projections.includes("realtime")) return { relay: Layer.empty, checks: Layer.empty }
  const Realtime = yield* Effect.promise(() => import("./Realtime.ts"))
  const ChainChecks = yield* Effect.promise(() => import("./ChainChecks.ts"))
  const relay = Realtime.relay.pipe(Layer.provide([Realtime.stores, Realtime.busBetween]))
  return { relay, checks: ChainChecks.task }
})

const probes = Layer.unwrap(Effect.gen(function*() {
  const { httpHost, projections, shutdownGrace, workerHttpPort, workerMetricsPort } = yield* Settings
  const { checks } = yield* ofChain
  return Layer.mergeAll(
    serve(Layer.merge(HealthRoutes.layer, HealthRoutes.short), Layer.empty, {
      host: httpHost,
      port: workerHttpPort,
      grace: shutdownGrace
    }),
    serve(MetricsRoute.layer, Layer.empty, { host: httpHost, port: workerMetricsPort, grace: shutdownGrace })
  ).pipe(
    Layer.provide(HealthPostgres.layer({ search: projections.includes("search"), claims: true })),
    Layer.provide(checks)
  )
}))

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

const drained = Layer.unwrap(Effect.map(ofChain, ({ relay }) => Workers.layerWith(relay)))

const demand: Demand = (values) => values.projections.includes("realtime") ? forChain(values) : []

launch(
  told.pipe(
    Layer.provide([drained, probes]),
    Layer.provide(Foundation.layer("wordloom-outbox-worker", demand))
  )
)
