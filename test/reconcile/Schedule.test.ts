/** The workers' own look at the index: one of them each time, told by all, and followed by the end of old removals. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import { look, tombstonesKept } from "../../src/reconcile/Schedule.ts"
import * as SearchDestination from "../../src/search/SearchDestination.ts"
import { SearchIndex, SearchUnavailable } from "../../src/search/SearchIndex.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { removal, write } from "../search/SearchFixtures.ts"
import { changeOf, claim, commit } from "../support/Changes.ts"
import * as MemoryStores from "../support/MemoryStores.ts"
import { catalog, tell } from "./Scenes.ts"

const stores = SearchDestination.layer.pipe(
  Layer.provideMerge(SearchIndexMemory.layer),
  Layer.provideMerge(MemoryStores.layer)
)

const every = Duration.hours(24)
const options = { every, repair: false }

const drift = Effect.map(
  Effect.forEach(
    ["missing", "stale", "orphaned"],
    (name) => Metric.value(Metric.withAttributes(Metrics.searchDrift.metric, { class: name }))
  ),
  (values) => values.map(({ value }) => value)
)
const runs = (result: string) =>
  Effect.map(Metric.value(Metric.withAttributes(Metrics.reconciles.metric, { result })), ({ count }) => count)

const newTag = catalog(({ create }) => create("tag", { name: crypto.randomUUID(), color: "#1E90FF" }))

describe("the schedule", () => {
  it.effect("compares once in each interval and shows what was found until the next", () =>
    Effect.gen(function*() {
      const tag = yield* newTag
      yield* tell
      yield* SearchIndex.use((index) => index.write([removal(tag.id, 5)]))
      yield* look(options)
      assert.strictEqual(yield* runs("drift"), 0)
      yield* TestClock.adjust(every)
      yield* Effect.all([look(options), look(options), look(options)], { concurrency: "unbounded" })
      assert.strictEqual(yield* runs("drift"), 1)
      assert.deepStrictEqual(yield* drift, [1, 0, 0])
      yield* TestClock.adjust(every)
      yield* look({ every, repair: true })
      assert.strictEqual(yield* tell, 1)
      yield* TestClock.adjust(every)
      yield* look(options)
      assert.deepStrictEqual([yield* runs("drift"), yield* runs("clean")], [2, 1])
      assert.deepStrictEqual(yield* drift, [0, 0, 0])
    }).pipe(Effect.provide(stores), Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("tries again soon when the engine is away", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust(every)
      const index = yield* SearchIndex
      const away = { ...index, refresh: Effect.fail(new SearchUnavailable({ engine: "postgres", cause: "away" })) }
      yield* Effect.exit(Effect.provideService(look(options), SearchIndex, away))
      yield* look(options)
      assert.deepStrictEqual([yield* runs("failed"), yield* runs("clean")], [1, 0])
      yield* TestClock.adjust("10 minutes")
      yield* look(options)
      assert.strictEqual(yield* runs("clean"), 1)
    }).pipe(Effect.provide(stores), Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("forgets a removal when no late write can come any more; a replay after that brings nothing back", () =>
    Effect.gen(function*() {
      const index = yield* SearchIndex
      const tag = yield* newTag
      yield* tell
      yield* catalog(({ remove }) => remove("tag", tag.id, undefined))
      yield* tell
      yield* TestClock.adjust(Duration.subtract(tombstonesKept, Duration.hours(1)))
      yield* look(options)
      assert.isTrue((yield* index.stateOf(tag.id))?.deleted)
      yield* TestClock.adjust(every)
      yield* look(options)
      assert.isUndefined(yield* index.stateOf(tag.id))
      assert.deepStrictEqual(yield* SearchSource.use((source) => source.load([tag.id])), [])
      yield* commit(changeOf({ id: tag.id, version: 1 }))
      yield* tell
      assert.deepInclude(yield* index.stateOf(tag.id), { deleted: true })
      assert.deepStrictEqual((yield* claim()).deliveries, [])
    }).pipe(Effect.provide(stores)))

  it.effect("is a matter of the index alone: a document that nobody wrote changes no entity", () =>
    Effect.gen(function*() {
      const orphan = write()
      yield* SearchIndex.use((index) => index.write([orphan]))
      yield* TestClock.adjust(every)
      yield* look({ every, repair: true })
      yield* tell
      assert.isTrue((yield* SearchIndex.use((index) => index.stateOf(orphan.id)))?.deleted)
    }).pipe(Effect.provide(stores)))
})
