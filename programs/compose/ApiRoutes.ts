/** The API's routes and what they are observed by. */
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import * as Edge from "../../layers/http/Edge.ts"
import * as EntityHandlers from "../../layers/http/EntityHandlers.ts"
import * as ExplainHandlers from "../../layers/http/ExplainHandlers.ts"
import * as HealthRoutes from "../../layers/http/HealthRoutes.ts"
import * as JsonBodies from "../../layers/http/JsonBodies.ts"
import * as MetricsRoute from "../../layers/http/MetricsRoute.ts"
import * as PageRoutes from "../../layers/http/PageRoutes.ts"
import * as ReadHandlers from "../../layers/http/ReadHandlers.ts"
import { apiRoutes, routeTable } from "../../layers/http/RouteTable.ts"
import * as SameOrigin from "../../layers/http/SameOrigin.ts"
import { serve } from "../../layers/http/Serve.ts"
import * as HealthPostgres from "../../layers/postgres/HealthPostgres.ts"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import * as RequestSchema from "../../src/api/RequestSchema.ts"
import { WordloomApi } from "../../src/api/WordloomApi.ts"
import { LiveOverview } from "../../src/outbox/LiveOverview.ts"
import { Visibility } from "../../src/search/Visibility.ts"
import { formatAddress } from "../../src/settings/SettingKind.ts"
import { Settings } from "../../src/settings/Settings.ts"
import * as Border from "./Border.ts"
import * as Explaining from "./Explaining.ts"
import * as Keeping from "./Keeping.ts"
import * as PlaneNats from "./PlaneNats.ts"
import * as RequestPlane from "./RequestPlane.ts"

const table = routeTable([...apiRoutes(), ...HealthRoutes.routes, ...MetricsRoute.routes, ...PageRoutes.routes])

const api = HttpApiBuilder.layer(WordloomApi, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide([EntityHandlers.layer, ReadHandlers.layer, ExplainHandlers.layer]),
  Layer.provide([RequestSchema.layer, JsonBodies.layer, SameOrigin.layer])
)

const routes = Layer.mergeAll(Edge.layer(table), api, HealthRoutes.layer, MetricsRoute.layer, PageRoutes.layer)

/** A page that is looked at waits no longer for the search engine. */
const engineWithin = "2 seconds"

/** `onListening` gets the address that a person can open. */
export const layer = (onListening: (url: string) => Effect.Effect<void>) =>
  Layer.unwrap(Effect.gen(function*() {
    const { httpHost, httpPort, metricsPort, shutdownGrace } = yield* Settings
    const [visibility, live] = [yield* Visibility, yield* LiveOverview]
    const stopping = Effect.andThen(visibility.dismiss, live.dismiss)
    const told = Layer.effectDiscard(Effect.flatMap(HttpServer.HttpServer, ({ address }) => {
      const port = "port" in address ? address.port : httpPort
      return onListening(`http://${formatAddress({ host: httpHost, port })}`)
    }))
    const answered = serve(routes, told, { host: httpHost, port: httpPort, grace: shutdownGrace, stopping })
    const scraped = metricsPort === httpPort
      ? Layer.empty
      : serve(MetricsRoute.layer, Layer.empty, { host: httpHost, port: metricsPort, grace: shutdownGrace })
    return Layer.mergeAll(answered, scraped, Keeping.layer)
  })).pipe(
    Layer.provide([Visibility.layer, LiveOverview.layer, Explaining.layer(engineWithin)]),
    Layer.provide(RequestPlane.layer),
    Layer.provide(Border.layer),
    Layer.provide(HealthPostgres.layer({ search: false })),
    Layer.provide(PlaneNats.checks({ isNeeded: false })),
    Layer.provide(OpenTelemetry.layer("wordloom-api"))
  )
