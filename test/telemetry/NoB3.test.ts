/** Effect's own HTTP client adds no header of its own under any of our tracers: B3 is sent by nobody. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { outbound } from "../../src/telemetry/TraceCarrier.ts"

const listener = Effect.acquireRelease(
  Effect.promise(async () => {
    const seen: Array<ReadonlyArray<string>> = []
    const server = createServer((request, response) => {
      seen.push(Object.keys(request.headers))
      response.end()
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    return { seen, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  }),
  ({ server }) =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    })
)

const tracing = (env: Readonly<Record<string, string>>) =>
  OpenTelemetry.layer("test").pipe(Layer.provide(Settings.layer(env)), Layer.merge(FetchHttpClient.layer))

const isOfTraces = (name: string) => /b3|^trace/.test(name)

describe("Effect's HTTP client", () => {
  it.live("sends what it is told to, and no B3", () =>
    Effect.gen(function*() {
      const { seen, url } = yield* listener
      const asked = Effect.gen(function*() {
        yield* HttpClient.get(url)
        yield* HttpClient.get(url, { headers: yield* outbound })
      }).pipe(Effect.withSpan("around"), Effect.scoped)
      yield* Effect.provide(asked, tracing({ WORDLOOM_TRACING: "local" }))
      yield* Effect.provide(asked, tracing({}))
      assert.deepStrictEqual(seen.map((names) => names.filter(isOfTraces)), [[], ["traceparent"], [], []])
    }))
})
