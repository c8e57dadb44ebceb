/** A process of the request plane: serves stages of the search to the API. */
import { Effect, Layer } from "effect"
import { serve } from "../../layers/http/Serve.ts"
import * as StageServer from "../../layers/plane/StageServer.ts"
import * as HealthPostgres from "../../layers/postgres/HealthPostgres.ts"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import { type Demand, Settings } from "../../src/settings/Settings.ts"
import * as Foundation from "./Foundation.ts"
import * as Keeping from "./Keeping.ts"
import { launch } from "./Main.ts"
import { forPlane } from "./NatsAddress.ts"
import * as PlaneNats from "./PlaneNats.ts"
import * as Probes from "./Probes.ts"

const demand: Demand = (values) =>
  values.requestPlane === "inproc"
    ? [{ name: "WORDLOOM_REQUEST_PLANE", value: "inproc", allowed: "a query process serves http, nats or tcp" }]
    : forPlane(values)

const told = Layer.effectDiscard(
  Effect.flatMap(
    Settings,
    ({ queryPort: port, requestPlane: wire }) => Effect.logInfo("serving stages of the search", { wire, port })
  )
)

const http = Layer.unwrap(
  Effect.map(
    Settings,
    ({ httpHost: host, queryPort: port, requestPlane, shutdownGrace: grace }) =>
      requestPlane === "http" ? serve(StageServer.http, told, { host, port, grace }) : Layer.empty
  )
)

const tcp = Layer.unwrap(
  Effect.map(
    Settings,
    ({ httpHost: host, queryPort: port, requestPlane }) =>
      requestPlane === "tcp" ? Layer.provide(told, StageServer.tcp({ host, port })) : Layer.empty
  )
)

const nats = Layer.unwrap(Effect.gen(function*() {
  const { requestPlane, shutdownGrace } = yield* Settings
  if (requestPlane !== "nats") return Layer.empty
  const { drained, serverProtocol } = yield* Effect.promise(() => import("../../layers/nats/StageWire.ts"))
  return drained(shutdownGrace).pipe(
    Layer.provide(StageServer.served("nats")),
    Layer.provide(serverProtocol),
    Layer.provide(PlaneNats.layer)
  )
}))

const stages = Layer.mergeAll(http, nats, tcp).pipe(Layer.provide(OpenTelemetry.layer("wordloom-query")))

const probes = Probes.served(({ queryHttpPort }) => queryHttpPort).pipe(
  Layer.provide(HealthPostgres.layer({ search: true })),
  Layer.provide(PlaneNats.checks({ isNeeded: true }))
)

launch(Layer.mergeAll(stages, probes, Keeping.layer).pipe(Layer.provide(Foundation.layer("wordloom-query", demand))))
