/** A rebuild that dies at any of its steps, beside a worker, over stores in memory. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { Destination } from "../../src/delivery/Destination.ts"
import type { Failure } from "../../src/delivery/Failure.ts"
import * as Reindex from "../../src/search/Reindex.ts"
import { SearchBuilds } from "../../src/search/SearchBuilds.ts"
import * as SearchDestination from "../../src/search/SearchDestination.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import { SearchIndex, type Target, type Written } from "../../src/search/SearchIndex.ts"
import { claim, done, idsOf, settle } from "../support/Changes.ts"
import * as MemoryStores from "../support/MemoryStores.ts"
import { found } from "./SearchFixtures.ts"

const watch: Reindex.Watch = { onFill: () => Effect.void, onPage: () => Effect.void, onStep: () => Effect.void }

/** The index as a test wants it: what a write to a generation by its name comes to, and where the process dies. */
class Far {
  /** How many calls are left until it dies. */
  left = Infinity
  fails: (to: Target) => Failure | undefined = () => undefined
  /** What a generation says it took, and did not. */
  loses: (to: Target, write: IndexWrite) => boolean = () => false

  step<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => this.left-- > 0 ? effect : Effect.die("killed"))
  }

  readonly layer = Layer.effect(
    SearchIndex,
    Effect.map(SearchIndex, (real) => {
      const { create, drop, makeLive } = real.generations
      return SearchIndex.of({
        ...real,
        write: (writes, to) => {
          const failure = to && this.fails(to)
          const refused: Written = { results: writes.map(() => ({ _tag: "Failed", failure: failure! })), calls: [] }
          if (failure !== undefined) return Effect.succeed(refused)
          const kept = to === undefined ? writes : writes.filter((write) => !this.loses(to, write))
          const lied: Written = { results: writes.map(() => ({ _tag: "Written" })), calls: [] }
          return kept.length === writes.length ? real.write(writes, to) : Effect.as(real.write(kept, to), lied)
        },
        generations: {
          ...real.generations,
          create: (name) => this.step(Effect.andThen(create(name), this.step(Effect.void))),
          makeLive: (name) => this.step(Effect.andThen(makeLive(name), this.step(Effect.void))),
          drop: (name) => this.step(Effect.andThen(drop(name), this.step(Effect.void)))
        }
      })
    })
  ).pipe(Layer.provide(SearchIndexMemory.layer))

  readonly builds = Layer.effect(
    SearchBuilds,
    Effect.map(SearchBuilds, (real) =>
      SearchBuilds.of({
        ...real,
        begin: (build) => this.step(real.begin(build)),
        change: (from, to) => this.step(real.change(from, to)),
        end: (build) => this.step(real.end(build))
      }))
  )
}

const running = <A, E>(
  test: (far: Far) => Effect.Effect<A, E, Layer.Success<typeof MemoryStores.layer> | SearchIndex | Destination>
) =>
() => {
  const far = new Far()
  const layer = SearchDestination.layer.pipe(
    Layer.provideMerge(Layer.merge(far.layer, far.builds)),
    Layer.provideMerge(MemoryStores.layer)
  )
  return Effect.provide(test(far), layer)
}

/** What a worker does: one batch, from its claim to its settlement. */
const deliver = Effect.gen(function*() {
  const batch = yield* claim({ limit: 1_000 })
  const { outcomes } = yield* (yield* Destination).deliver(batch.deliveries)
  const ended = idsOf(batch).filter((id) => outcomes.get(id)?._tag !== "Failed")
  yield* settle(batch, ...ended.map(done))
  return outcomes
})

const newTag = (name: string) => Catalog.use(({ create }) => create("tag", { name, color: "#1E90FF" }))

/** A command that may wait for its back-off, by the test's clock. */
const ended = <A, E, R>(command: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.exit(command))
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
    return yield* Fiber.join(fiber)
  })

const finds = (name: string, count: number) =>
  Effect.map(found(`"${name}"`), (hits) => assert.lengthOf(hits, count, name))

const stateOfBuild = SearchBuilds.use(({ find }) => find("memory"))
const generationNames = SearchIndex.use(({ generations }) =>
  Effect.map(generations.list, (all) => all.map(({ name }) => name))
)

describe("a rebuild", () => {
  it.effect(
    "whose generation says something else than the entities swaps nothing, and begins anew when it is run again",
    running((far) =>
      Effect.gen(function*() {
        const [kept, lost] = [yield* newTag("kept"), yield* newTag("lost")]
        yield* deliver
        const { generations } = yield* SearchIndex
        const live = Effect.map(generations.list, (all) => all.find((each) => each.live)?.name)
        const before = yield* live
        far.loses = (to, write) => to.generation !== before && write.id === lost.id
        const refused = yield* Effect.flip(yield* ended(Reindex.reindex(watch)))
        assert.strictEqual(refused._tag, "GenerationDiffers")
        assert.include(refused.message, "1 missing, 0 stale, 0 orphaned")
        assert.strictEqual(yield* live, before)
        assert.strictEqual((yield* stateOfBuild)?.written, 0)
        far.loses = () => false
        const build = yield* yield* ended(Reindex.reindex(watch))
        assert.strictEqual(yield* live, build.generation)
        for (const { name } of [kept, lost]) yield* finds(name, 1)
      })
    )
  )

  it.effect(
    "that dies at any of its steps goes on, loses no write, and leaves nothing behind",
    running((far) =>
      Effect.gen(function*() {
        let deaths = 0
        for (let steps = 0;; steps++) {
          const [before, during, after] = [`before ${steps} x`, `during ${steps} x`, `after ${steps} x`]
          yield* newTag(before)
          yield* deliver
          const gone = yield* newTag(`gone ${steps} x`)
          yield* deliver
          far.left = steps
          const first = yield* ended(Reindex.reindex(watch))
          far.left = Infinity
          yield* newTag(during)
          yield* Catalog.use(({ remove }) => remove("tag", gone.id, undefined))
          yield* deliver
          for (const name of [before, during]) yield* finds(name, 1)
          if (Exit.isFailure(first)) {
            deaths++
            const second = yield* ended(Reindex.reindex(watch))
            assert.isTrue(Exit.isSuccess(second), `after ${steps} steps`)
          }
          yield* newTag(after)
          yield* deliver
          for (const name of [before, during, after]) yield* finds(name, 1)
          yield* finds(`gone ${steps} x`, 0)
          assert.strictEqual((yield* stateOfBuild)?.phase, "kept")
          assert.lengthOf(yield* generationNames, 2)
          yield* ended(Reindex.rollback)
          for (const name of [before, during, after]) yield* finds(name, 1)
          yield* finds(`gone ${steps} x`, 0)
          if (Exit.isSuccess(first)) break
        }
        assert.isAbove(deaths, 8)
      })
    )
  )

  it.effect(
    "makes up for what its generation missed, and the live one never waits for it",
    running((far) =>
      Effect.gen(function*() {
        yield* newTag("early x")
        yield* deliver
        const busy: Failure = { class: "throttled", errorType: "es_429", detail: "busy" }
        // The build is left before its end, so that it is still one when the worker comes.
        far.left = 3
        yield* ended(Reindex.reindex(watch))
        far.left = Infinity
        assert.strictEqual((yield* stateOfBuild)?.phase, "building")
        far.fails = () => busy
        const tag = yield* newTag("late x")
        const outcomes = yield* deliver
        assert.deepStrictEqual([...outcomes.values()], [{ _tag: "Written" }])
        yield* finds("late x", 1)
        const owed = SearchBuilds.use((builds) =>
          Effect.flatMap(stateOfBuild, (build) => builds.owed(build!, build!.generation, 10))
        )
        assert.deepStrictEqual(yield* owed, [{ id: tag.id, times: 1 }])
        const refused = yield* ended(Reindex.reindex(watch))
        assert.isTrue(Exit.isFailure(refused))
        yield* finds("late x", 1)
        far.fails = () => undefined
        assert.isTrue(Exit.isSuccess(yield* ended(Reindex.reindex(watch))))
        assert.deepStrictEqual(yield* owed, [])
        for (const name of ["early x", "late x"]) yield* finds(name, 1)
      })
    )
  )

  it.effect(
    "begins anew when what an earlier run had built is gone",
    running((far) =>
      Effect.gen(function*() {
        yield* newTag("whole x")
        yield* deliver
        // Dies as it was about to swap.
        far.left = 4
        yield* ended(Reindex.reindex(watch))
        far.left = Infinity
        const build = yield* stateOfBuild
        assert.deepInclude(build, { phase: "building", written: 1 })
        yield* SearchIndex.use(({ generations }) => generations.drop(build!.generation))
        assert.isTrue(Exit.isSuccess(yield* ended(Reindex.reindex(watch))))
        yield* finds("whole x", 1)
      })
    )
  )

  it.effect(
    "waits before its swap for the batches that do not know of it",
    running(() =>
      Effect.gen(function*() {
        yield* newTag("known x")
        yield* deliver
        yield* newTag("in hand x")
        const batch = yield* claim()
        const rebuilding = yield* Effect.forkChild(Effect.exit(Reindex.reindex(watch)))
        for (let turn = 0; turn < 20; turn++) yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* stateOfBuild)?.phase, "swapping")
        assert.deepStrictEqual(
          (yield* SearchIndex.use(({ generations }) => generations.list)).map(({ live }) => live),
          [
            true,
            false
          ]
        )
        yield* (yield* Destination).deliver(batch.deliveries)
        yield* settle(batch, ...idsOf(batch).map(done))
        yield* TestClock.adjust("1 second")
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(rebuilding)))
        for (const name of ["known x", "in hand x"]) yield* finds(name, 1)
        yield* ended(Reindex.rollback)
        for (const name of ["known x", "in hand x"]) yield* finds(name, 1)
      })
    )
  )
})
