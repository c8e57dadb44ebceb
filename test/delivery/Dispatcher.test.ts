/** What becomes of the rows of one batch, whatever the far side, the store or the telemetry does. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { Chronicle } from "../../src/chronicle/Chronicle.ts"
import * as ChronicleDestination from "../../src/chronicle/ChronicleDestination.ts"
import * as Reclaim from "../../src/delivery/Reclaim.ts"
import * as Turn from "../../src/delivery/Turn.ts"
import * as SearchDestination from "../../src/search/SearchDestination.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { attemptsOf } from "../support/Backstage.ts"
import { changeOf, claim, commitMany, idsOf } from "../support/Changes.ts"
import * as Spans from "../support/RecordedSpans.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import * as Working from "../support/Working.ts"

const { always, failed, inTurn, poison, superseded, written } = ScriptedDestination
const { away, heartbeatsThat, killedAfterClaim, leasesThat, options, reclaimOnce, request, rows, runOnce } = Working
const { statuses, working } = Working

const outcomesOf = (id: number) => Effect.map(attemptsOf(id), (all) => all.map(({ outcome }) => outcome))
const processes = Effect.map(Spans.named("outbox.process"), (spans) => spans.map(Spans.attributesOf))

/** The database does not answer settlements for so long. */
const settlingAfter = (duration: Duration.Input) =>
  leasesThat(({ settle }) => ({
    settle: (...args) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => now < Duration.toMillis(Duration.fromInputUnsafe(duration)) ? away : settle(...args)
      )
  }))

/** Takes `duration` for its batch. */
const taking = (duration: Duration.Input) =>
  ScriptedDestination.layer(() => Effect.delay(Effect.succeed(written), duration))

describe("the outcome of each row", () => {
  it.effect("is its own, also when the rest of its batch fares otherwise", () =>
    Effect.gen(function*() {
      yield* request(...Array.from({ length: 5 }, () => changeOf()))
      yield* runOnce
      const all = yield* rows
      assert.deepStrictEqual(all.map(({ status }) => status), ["done", "done", "pending", "dead", "pending"])
      assert.deepStrictEqual(all.map(({ attempts }) => attempts), [1, 1, 1, 1, 1])
      const [batch] = yield* Spans.named("projection.process_batch")
      assert.deepInclude(Spans.attributesOf(batch!), { batch_size: 5, ok: 2, failed: 3, result: "failed" })
      assert.deepStrictEqual((yield* processes).map(({ outcome }) => outcome), [
        "acked",
        "superseded",
        "retry_scheduled",
        "dead_lettered",
        "retry_scheduled"
      ])
    }).pipe(working(eachItsOwn)))

  it.effect("is another try, counted, when the delivery itself breaks", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      yield* runOnce
      for (const row of yield* rows) {
        assert.deepInclude(row, { status: "pending", attempts: 1, error_type: "internal" })
        assert.deepStrictEqual(yield* outcomesOf(row.id), ["retry_scheduled"])
      }
    }).pipe(working(ScriptedDestination.layer(() => Effect.die(new Error("a bug"))))))

  it.effect("is another try, counted, when the far side does not tell of it", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      for (let turn = 0; turn < options.attemptsMax; turn++) {
        yield* runOnce
        yield* TestClock.adjust("61 seconds")
      }
      assert.deepStrictEqual(yield* statuses, ["dead", "dead"])
    }).pipe(working(ScriptedDestination.layer(() => Effect.succeed(undefined)))))

  it.effect("is another try, not counted, while the far side is configured wrongly", () =>
    Effect.gen(function*() {
      yield* request()
      for (let turn = 0; turn < 2 * options.attemptsMax; turn++) {
        assert.strictEqual(yield* runOnce, 1)
        yield* TestClock.adjust("80 seconds")
      }
      const [row] = yield* rows
      assert.deepInclude(row, { status: "pending", attempts: 0, error_type: "es_index_missing" })
      assert.deepStrictEqual(yield* outcomesOf(row!.id), [])
      const told = yield* processes
      assert.deepStrictEqual(told.map(({ attempt }) => attempt), told.map(() => 1))
      for (const each of told) {
        assert.deepInclude(each, { result: "failed", outcome: "retry_scheduled", retry_reason: "es_index_missing" })
      }
    }).pipe(working(always(failed({ class: "configuration", errorType: "es_index_missing" })))))

  it.effect("waits as long as the far side asked", () =>
    Effect.gen(function*() {
      yield* request()
      yield* runOnce
      yield* TestClock.adjust("99 seconds")
      assert.strictEqual(yield* runOnce, 0)
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual(yield* runOnce, 1)
    }).pipe(working(inTurn(failed({ retryAfterMs: 100_000 }), written))))
})

const eachItsOwn = ScriptedDestination.layer(({ id }) =>
  Effect.succeed([written, superseded, failed(), poison, failed()][(id - 1) % 5]!)
)

describe("a batch", () => {
  it.effect("keeps its lease for as long as its delivery takes", () =>
    Effect.gen(function*() {
      yield* request()
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("100 seconds")
      assert.strictEqual(yield* reclaimOnce, 0)
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(running)
      assert.deepStrictEqual(yield* statuses, ["done"])
      assert.deepInclude((yield* processes)[0], { result: "ok", ack_rows: 1 })
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* extensions, 12 - 1)
    }).pipe(working(taking("2 minutes"), { ports: counted })))

  it.effect("is tried again when its delivery does not end in ten leases", () =>
    Effect.gen(function*() {
      yield* request()
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("301 seconds")
      assert.deepInclude((yield* rows)[0], { status: "pending", attempts: 1, error_type: "timeout" })
      yield* Fiber.join(running)
    }).pipe(working(taking("1 day"))))

  it.effect("is settled again and again while its lease may last", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("19 seconds")
      assert.deepStrictEqual(yield* statuses, ["processing", "processing"])
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(running), 2)
      assert.deepStrictEqual(yield* statuses, ["done", "done"])
      assert.deepStrictEqual((yield* processes).map(({ outcome }) => outcome), ["acked", "acked"])
    }).pipe(working(always(written), { ports: settlingAfter("20 seconds") })))

  it.effect("that cannot be settled is left to its lease, and delivered again after it", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(yield* Fiber.join(running), 2)
      assert.deepStrictEqual(yield* statuses, ["processing", "processing"])
      assert.deepStrictEqual(yield* processes, [])
      assert.strictEqual(yield* reclaimOnce, 2)
      const ids = idsOf(yield* claim())
      assert.strictEqual(ids.length, 2)
      assert.deepStrictEqual(yield* outcomesOf(ids[0]!), ["lease_lost"])
    }).pipe(working(always(written), { ports: settlingAfter("1 day") })))

  it.effect("of another worker is freed one claim at a time", () =>
    Effect.gen(function*() {
      for (const lane of [1, 2, 3]) {
        yield* commitMany(lane, lane)
        yield* claim({ worker: `w-killed-${lane}` })
      }
      yield* TestClock.adjust("31 seconds")
      const freed = [yield* reclaimOnce, yield* reclaimOnce, yield* reclaimOnce, yield* reclaimOnce]
      assert.deepStrictEqual(freed, [1, 2, 3, 0])
    }).pipe(working(always(written))))

  it.effect("that breaks when it is settled is left to its lease too", () =>
    Effect.gen(function*() {
      yield* request()
      assert.strictEqual(yield* runOnce, 1)
      assert.deepStrictEqual(yield* statuses, ["processing"])
    }).pipe(working(always(written), { ports: leasesThat(() => ({ settle: () => Effect.die("a bug") })) })))

  it.effect("is given back, its attempts not counted, when its worker must stop", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(running)
      for (const row of yield* rows) {
        assert.deepInclude(row, { status: "pending", attempts: 0, lease_owner: null })
        assert.deepStrictEqual(yield* outcomesOf(row.id), [])
      }
      assert.deepStrictEqual((yield* processes).map(({ outcome }) => outcome), ["released", "released"])
      const unended = (yield* Spans.all).filter(({ status }) => status._tag === "Started")
      assert.deepStrictEqual(unended.map(({ name }) => name), [])
    }).pipe(working(taking("1 minute"))))
})

let extended = 0
const extensions = Effect.sync(() => extended)
const counted = heartbeatsThat(({ extend }) => (batch, leaseFor) =>
  Effect.andThen(Effect.sync(() => extended++), extend(batch, leaseFor))
)

describe("several changes of one entity in a batch", () => {
  it.effect("are one write to the index, and each is told of in its own trace", () =>
    Effect.gen(function*() {
      const catalog = yield* Catalog
      const tag = yield* catalog.create("tag", { name: "one", color: "#000000" })
      for (const name of ["two", "three"]) yield* catalog.change("tag", tag.id, { name }, undefined)
      const library = yield* catalog.create("library", { name: "another" })
      assert.strictEqual(yield* runOnce, 4)
      const index = yield* SearchIndex
      assert.strictEqual((yield* index.stateOf(tag.id))?.version, 3)
      assert.strictEqual((yield* index.stateOf(library.id))?.version, 1)
      assert.deepStrictEqual(yield* statuses, ["done", "done", "done", "done"])
      const told = yield* processes
      assert.deepStrictEqual(told.map(({ outcome }) => outcome), ["superseded", "superseded", "acked", "acked"])
      assert.isTrue(told.every(({ result }) => result === "ok"))
      assert.strictEqual(new Set((yield* Spans.named("outbox.process")).map(({ traceId }) => traceId)).size, 4)
    }).pipe(working(SearchDestination.layer.pipe(Layer.provide(index))), Effect.provide(index)))

  it.effect("leave a tombstone when the last of them is a removal, also after a crash", () =>
    Effect.gen(function*() {
      const catalog = yield* Catalog
      const tag = yield* catalog.create("tag", { name: "one", color: "#000000" })
      yield* killedAfterClaim
      yield* catalog.remove("tag", tag.id, undefined)
      assert.strictEqual(yield* runOnce, 0)
      yield* TestClock.adjust("31 seconds")
      yield* reclaimOnce
      yield* runOnce
      assert.strictEqual((yield* (yield* SearchIndex).stateOf(tag.id))?.version, 2)
      assert.deepStrictEqual(yield* statuses, ["done", "done"])
      assert.deepStrictEqual((yield* processes).map(({ outcome }) => outcome), ["superseded", "acked"])
    }).pipe(working(SearchDestination.layer.pipe(Layer.provide(index))), Effect.provide(index)))

  it.effect("are an entry of the chronicle each, however often they are delivered", () =>
    Effect.gen(function*() {
      const catalog = yield* Catalog
      const tag = yield* catalog.create("tag", { name: "one", color: "#000000" })
      yield* catalog.change("tag", tag.id, { name: "two" }, undefined)
      const once = Turn.runOnce({ ...options, projection: "chronicle" })
      yield* claim({ projection: "chronicle", limit: 1 })
      yield* once
      yield* TestClock.adjust("31 seconds")
      yield* Reclaim.reclaimOnce({ ...options, projection: "chronicle" })
      // The second was never tried: it stays behind the first.
      yield* once
      yield* once
      const { items } = yield* Chronicle.use((chronicle) => chronicle.read({ entity_id: tag.id }, 10, undefined))
      assert.sameMembers(items.map(({ version }) => version), [1, 2])
    }).pipe(working(ChronicleDestination.layer)))
})

const index = SearchIndexMemory.layer
