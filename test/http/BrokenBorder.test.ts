/** A border, a carrier and a tracer that throw at every call change no answer. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, Option, Tracer } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import * as Edge from "../../layers/http/Edge.ts"
import { routeTable } from "../../layers/http/RouteTable.ts"
import { serve } from "../../layers/http/Serve.ts"
import { safe } from "../../src/telemetry/SafeTracer.ts"
import { failuresSoFar, telemetryFailed } from "../../src/telemetry/TelemetryFailure.ts"
import { TraceBorder } from "../../src/telemetry/TraceBorder.ts"
import { safeCarrier, TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { call } from "../support/HttpCall.ts"

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

const broken = (what: string) => (): never => {
  throw new Error(`the ${what} is broken`)
}

const borders = {
  "throws at once": broken("border"),
  "throws in its effect": () => Effect.sync(broken("border")),
  fails: () => Effect.die("the border is broken")
}

/** Answers `GET /` with a text. */
const served = (border: TraceBorder["Service"]["arrive"], hooks: Layer.Layer<never>) =>
  Effect.gen(function*() {
    let url = ""
    const listening = Layer.effectDiscard(
      Effect.map(HttpServer.HttpServer, ({ address }) => {
        url = `http://127.0.0.1:${"port" in address ? address.port : 0}`
      })
    )
    const routes = Layer.merge(
      Edge.layer(routeTable([["GET", "/"]])),
      HttpRouter.add("GET", "/", HttpServerResponse.text("fine"))
    )
    yield* Layer.build(
      serve(routes, listening, { host: "127.0.0.1", port: 0, grace: Duration.seconds(1) }).pipe(
        Layer.provide([Layer.succeed(TraceBorder, TraceBorder.of({ arrive: border })), SecureRandom.layerWebCrypto]),
        Layer.provide([hooks, Logger.layer([])])
      )
    )
    return yield* Effect.promise(() => call("GET", url, { headers: { traceparent, "x-wordloom-debug": "1" } }))
  }).pipe(Effect.scoped)

describe("a request", () => {
  for (const [how, border] of Object.entries(borders)) {
    it.live(`is answered when the border ${how}`, () =>
      Effect.gen(function*() {
        const before = failuresSoFar()
        const answer = yield* served(border, Layer.empty)
        assert.deepStrictEqual([answer.status, answer.text], [200, "fine"])
        assert.notProperty(answer.headers, "x-wordloom-debug")
        assert.isAbove(failuresSoFar(), before)
      }))
  }

  it.live("is answered when carrier and tracer throw as well", () =>
    Effect.gen(function*() {
      const hooks = Layer.merge(
        Layer.succeed(
          TraceCarrier,
          safeCarrier({ inject: broken("carrier"), extract: broken("carrier") }, telemetryFailed)
        ),
        Layer.succeed(Tracer.Tracer, safe(Tracer.make({ span: broken("tracer") }), telemetryFailed))
      )
      const answer = yield* served(borders.fails, hooks)
      assert.deepStrictEqual([answer.status, answer.text], [200, "fine"])
      assert.notProperty(answer.headers, "traceparent")
    }))

  it("has no context when the carrier throws", () => {
    const { extract, inject } = safeCarrier(
      { inject: broken("carrier"), extract: broken("carrier") },
      telemetryFailed
    )
    const span = Tracer.externalSpan({ spanId: "a", traceId: "b" })
    assert.isTrue(Option.isNone(Option.fromUndefinedOr(inject(span))))
    assert.isUndefined(extract({ traceparent, tracestate: null }))
  })
})
