/** The request plane over a real NATS; skipped where there is none (infra/install-nats.sh). */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Redacted, Schedule, Scope } from "effect"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import * as PlaneConnection from "../../layers/nats/PlaneConnection.ts"
import * as StageWire from "../../layers/nats/StageWire.ts"
import * as RequestPlaneRemote from "../../layers/plane/RequestPlaneRemote.ts"
import * as StageServer from "../../layers/plane/StageServer.ts"
import { RequestPlane } from "../../src/plane/RequestPlane.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { parseQuery } from "../../src/search/SearchQuery.ts"
import { type PlaneOver, remoteSuite, suite } from "../conformance/RequestPlaneSuite.ts"
import { natsServer, noNats } from "../support/NatsServer.ts"
import { describeUnless } from "../support/Unless.ts"

const on = (url: string, prefix = "test") => PlaneConnection.layer(Redacted.make(url), prefix)

const connection = Layer.unwrap(Effect.map(natsServer, ({ url }) => on(url)))
const client = RequestPlaneRemote.over({
  wire: "nats",
  recall: StageWire.clientProtocol,
  hydrate: StageWire.clientProtocol
})
const server = StageWire.drained("10 seconds").pipe(
  Layer.provide(StageServer.served("nats")),
  Layer.provide(StageWire.serverProtocol)
)

const plane: PlaneOver = (index) => client.pipe(Layer.provide(Layer.provide(server, index)), Layer.provide(connection))

const asked = Effect.gen(function*() {
  const { recall } = yield* RequestPlane
  return yield* recall({ query: { terms: parseQuery("dog") }, limit: 1, cursor: null })
})
const refusal = Effect.map(Effect.flip(asked), ({ message }) => message)

describeUnless(noNats, "NATS", () => {
  suite("nats", plane)
  remoteSuite("nats", plane, client.pipe(Layer.provide(connection)))

  it.live("is not needed at the start: whoever asks is refused at once, and answered when NATS has come", () =>
    Effect.gen(function*() {
      const nats = yield* natsServer
      yield* Effect.promise(() => nats.crash())
      const process = () => on(nats.url)
      const both = Layer.merge(
        client.pipe(Layer.provideMerge(process())),
        server.pipe(Layer.provide(SearchIndexMemory.layer), Layer.provide(process()))
      )
      yield* Effect.gen(function*() {
        const { check } = yield* PlaneConnection.PlaneConnection
        const isAway = Effect.isFailure(check)
        assert.strictEqual(yield* refusal, "the recall stage of the search is unreachable")
        assert.isTrue(yield* isAway)
        yield* Effect.promise(() => nats.again())
        const soon = { schedule: Schedule.spaced("50 millis") }
        assert.deepStrictEqual((yield* Effect.retry(asked, soon)).items, [])
        assert.isFalse(yield* isAway)
        yield* Effect.promise(() => nats.crash())
        yield* Effect.repeat(isAway, { ...soon, until: (away) => away })
        assert.strictEqual(yield* refusal, "the recall stage of the search is unreachable")
        yield* Effect.promise(() => nats.again())
        assert.deepStrictEqual((yield* Effect.retry(asked, soon)).items, [])
      }).pipe(Effect.provide(both))
    }).pipe(Effect.scoped))

  it.live("answers what it has taken before it ends, and takes nothing more", () =>
    Effect.gen(function*() {
      const { url } = yield* natsServer
      const [begun, goOn] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const slow = Layer.effect(
        SearchIndex,
        Effect.map(SearchIndex, (index) =>
          SearchIndex.of({
            ...index,
            recall: (...wanted) =>
              Deferred.succeed(begun, undefined).pipe(
                Effect.andThen(Deferred.await(goOn)),
                Effect.andThen(index.recall(...wanted))
              )
          }))
      ).pipe(Layer.provide(SearchIndexMemory.layer))
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(server.pipe(Layer.provide(slow), Layer.provide(on(url))), scope)
      yield* Effect.gen(function*() {
        const taken = yield* Effect.forkChild(asked)
        yield* Deferred.await(begun)
        const ended = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        // From then on it is as if nobody served; one that was still taken would wait as long as the first.
        yield* Effect.repeat(Effect.timeoutOption(refusal, "200 millis"), {
          until: (message) => Option.isSome(message) && message.value.endsWith("unreachable")
        })
        yield* Deferred.succeed(goOn, undefined)
        assert.deepStrictEqual((yield* Fiber.join(taken)).items, [])
        yield* Fiber.join(ended)
      }).pipe(Effect.provide(client.pipe(Layer.provide(on(url)))))
    }).pipe(Effect.scoped))

  it.live("lets installations with prefixes of their own share a server", () =>
    Effect.gen(function*() {
      const { url } = yield* natsServer
      const served = server.pipe(Layer.provide(SearchIndexMemory.layer), Layer.provide(on(url, "one")))
      yield* Effect.gen(function*() {
        assert.deepStrictEqual((yield* Effect.provide(asked, client.pipe(Layer.provide(on(url, "one"))))).items, [])
        assert.strictEqual(
          yield* Effect.provide(refusal, client.pipe(Layer.provide(on(url, "two")))),
          "the recall stage of the search is unreachable"
        )
      }).pipe(Effect.provide(served))
    }).pipe(Effect.scoped))

  it.live("sends no payload that is beyond what NATS takes at once", () =>
    Effect.gen(function*() {
      const { recall } = yield* RequestPlane
      const cursor = "x".repeat(1_100_000)
      const error = yield* Effect.flip(recall({ query: { terms: parseQuery("dog") }, limit: 1, cursor }))
      assert.strictEqual(error.message, "the recall stage of the search is broken")
      assert.deepStrictEqual((yield* asked).items, [])
    }).pipe(Effect.provide(plane(SearchIndexMemory.layer))))
})
