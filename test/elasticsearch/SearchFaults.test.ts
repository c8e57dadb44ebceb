/** A search that fails says so, in time, and never gives out a part of an answer for the whole. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { SearchIndex, type SearchUnavailable } from "../../src/search/SearchIndex.ts"
import { newId } from "../search/SearchFixtures.ts"
import * as ScriptedServer from "./support/ScriptedServer.ts"

const { layerOf, page, refusal } = ScriptedServer

const query = { terms: { words: ["dog"], phrases: [], without: [], prefix: null } }

/** What the failure says of its cause. */
const causeOf = (effect: Effect.Effect<unknown, { readonly _tag: string }>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.strictEqual(error._tag, "SearchUnavailable")
    return ((error as SearchUnavailable).cause as Error).message
  })

describe("a search that fails", () => {
  const misshapen = "the answer has another shape than was asked for"
  const hit = { _score: 1, _id: "not one of ours" }
  const cases: ReadonlyArray<readonly [string, ScriptedServer.Reply, string]> = [
    ["has too much to do", refusal(429, "es_rejected_execution_exception"), "HTTP 429 es_rejected_execution_exception"],
    ["has a shard less", refusal(503, "search_phase_execution_exception"), "HTTP 503 search_phase_execution_exception"],
    ["ran out of time", { status: 200, body: { timed_out: true, hits: { hits: [] } } }, misshapen],
    ["has hits that are none", { status: 200, body: { timed_out: false, hits: { hits: [hit] } } }, misshapen],
    ["answers with a page", page(200), misshapen],
    ["breaks off its JSON", { status: 200, body: "{\"hits\"" }, "the answer could not be read"]
  ]
  for (const [what, reply, message] of cases) {
    it.effect(`${what}: ${message}`, () =>
      Effect.gen(function*() {
        const server = yield* ScriptedServer.make(reply)
        const all = SearchIndex.use(({ hydrate, prepare, recall, refresh, stateOf }) =>
          Effect.forEach([
            recall(query, 1, undefined),
            hydrate(query.terms, [{ id: newId(), score: 1 }]),
            refresh,
            stateOf(newId()),
            prepare
          ], causeOf)
        )
        const causes = yield* Effect.provide(all, layerOf(server))
        for (const cause of causes) assert.include(cause, message)
        assert.strictEqual(server.seen.length, causes.length)
      }))
  }

  it.effect("does not keep anyone waiting", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make("never answers")
      const fiber = yield* SearchIndex.use(({ recall }) => causeOf(recall(query, 1, undefined))).pipe(
        Effect.provide(layerOf(server)),
        Effect.forkChild
      )
      yield* server.hasSeen(1)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "no answer in 2s")
    }))
})
