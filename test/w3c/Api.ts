/**
 * The API's own edge, with two routes that the product must not have: whoever may post to them has this machine call
 * whatever address is named. `/direct` calls at once; `/outbox` writes, and answers once the worker has called.
 */
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import * as Edge from "../../layers/http/Edge.ts"
import { type Route, routeTable } from "../../layers/http/RouteTable.ts"
import { serve } from "../../layers/http/Serve.ts"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import * as Border from "../../programs/compose/Border.ts"
import * as Foundation from "../../programs/compose/Foundation.ts"
import { launch } from "../../programs/compose/Main.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { DeliveryStatus } from "../../src/outbox/DeliveryStatus.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { Actions, forward } from "./Forward.ts"

const routes: ReadonlyArray<Route> = [["POST", "/direct"], ["POST", "/outbox"]]

const done = HttpServerResponse.jsonUnsafe(null)

const direct = Effect.gen(function*() {
  for (const action of yield* HttpServerRequest.schemaBodyJson(Actions)) yield* forward(action.url, action.arguments)
  return done
})

/** The name is all that the row tells of it. */
const outbox = Effect.gen(function*() {
  const catalog = yield* Catalog
  const status = yield* DeliveryStatus
  for (const { url } of yield* HttpServerRequest.schemaBodyJson(Actions)) {
    const { id, version } = yield* catalog.create("library", { name: url })
    const look = Effect.map(status.look("chronicle", [{ id, version }]), ([state]) => state === "delivered")
    yield* look.pipe(Effect.delay("5 millis"), Effect.repeat({ until: (delivered) => delivered }))
  }
  return done
})

const listening = Layer.effectDiscard(
  Effect.flatMap(
    HttpServer.HttpServer,
    ({ address }) => Effect.logInfo(`listening on http://127.0.0.1:${"port" in address ? address.port : 0}`)
  )
)

const served = Layer.unwrap(Effect.map(Settings, ({ shutdownGrace }) =>
  serve(
    Layer.mergeAll(
      Edge.layer(routeTable(routes)),
      HttpRouter.add("POST", "/direct", direct),
      HttpRouter.add("POST", "/outbox", outbox)
    ),
    listening,
    { host: "127.0.0.1", port: 0, grace: shutdownGrace }
  )))

launch(
  served.pipe(
    Layer.provide(Border.layer),
    Layer.provide(OpenTelemetry.layer("wordloom-api")),
    Layer.provide(Foundation.layer("wordloom-api"))
  )
)
