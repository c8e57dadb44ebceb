/** What every store promises of the builds of a search index. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect } from "effect"
import { type Build, SearchBuilds, targetsOf } from "../../src/search/SearchBuilds.ts"
import { newId } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type It = Vitest.MethodsNonLive<SearchBuilds>

const ofOwnIndex = () => ({ index: `index ${newId()}`, generation: "2", previous: "1", follows: true })

const begun = SearchBuilds.use(({ begin }) => Effect.suspend(() => begin(ofOwnIndex())))

const phases = (it: It) => {
  it.effect("are one for each index, and begin with nothing written", () =>
    Effect.gen(function*() {
      const { begin, find } = yield* SearchBuilds
      const wanted = ofOwnIndex()
      assert.isUndefined(yield* find(wanted.index))
      const build = yield* begin(wanted)
      assert.deepStrictEqual(build, { ...wanted, phase: "building", cursor: null, written: 0 })
      assert.deepStrictEqual(yield* find(wanted.index), build)
      assert.strictEqual((yield* Effect.flip(begin(wanted)))._tag, "BuildMoved")
      assert.isUndefined(yield* find(ofOwnIndex().index))
    }))

  it.effect("go on only from where they were left", () =>
    Effect.gen(function*() {
      const { change, find } = yield* SearchBuilds
      const build = yield* begun
      const cursor = newId()
      const further = yield* change(build, { ...build, cursor, written: 500 })
      assert.deepStrictEqual(further, { ...build, cursor, written: 500 })
      const late: ReadonlyArray<Build> = [build, { ...further, phase: "kept" }, { ...further, generation: "3" }]
      for (const from of late) {
        assert.strictEqual((yield* Effect.flip(change(from, { ...from, written: 7 })))._tag, "BuildMoved")
      }
      const swapped = { ...further, phase: "kept", generation: "1", previous: "2", follows: false } as const
      assert.deepStrictEqual(yield* change(further, swapped), swapped)
      assert.deepStrictEqual(yield* find(build.index), swapped)
    }))

  it.effect("end once", () =>
    Effect.gen(function*() {
      const { begin, end, find } = yield* SearchBuilds
      const build = yield* begun
      yield* end(build)
      assert.isUndefined(yield* find(build.index))
      assert.strictEqual((yield* Effect.flip(end(build)))._tag, "BuildMoved")
      assert.strictEqual((yield* begin({ ...ofOwnIndex(), index: build.index })).phase, "building")
    }))

  it.effect("are held by one at a time", () =>
    Effect.gen(function*() {
      const { hold } = yield* SearchBuilds
      const { index } = ofOwnIndex()
      yield* Effect.scoped(Effect.gen(function*() {
        yield* hold(index)
        const error = yield* Effect.flip(Effect.scoped(hold(index)))
        assert.strictEqual(error._tag, "BuildRunning")
        yield* Effect.scoped(hold(ofOwnIndex().index))
      }))
      yield* Effect.scoped(hold(index))
    }))
}

const misses = (it: It) => {
  it.effect("know what a generation missed until it is made up for", () =>
    Effect.gen(function*() {
      const { missed, owed, paid } = yield* SearchBuilds
      const build = yield* begun
      const [a, b, c] = [newId(), newId(), newId()].toSorted()
      yield* missed(build, "2", [c!, a!])
      yield* missed(build, "2", [b!])
      yield* missed(build, "1", [c!])
      const known = yield* owed(build, "2", 10)
      assert.deepStrictEqual(known, [a, b, c].map((id) => ({ id: id!, times: 1 })))
      assert.lengthOf(yield* owed(build, "2", 2), 2)
      yield* missed(build, "2", [b!])
      yield* paid(build, "2", known)
      // Missed once more while it was made up for.
      assert.deepStrictEqual(yield* owed(build, "2", 10), [{ id: b!, times: 2 }])
      assert.lengthOf(yield* owed(build, "1", 10), 1)
    }))

  it.effect("note nothing of a generation that they do not concern, nor once they have ended", () =>
    Effect.gen(function*() {
      const { begin, end, missed, owed } = yield* SearchBuilds
      const build = yield* begun
      yield* missed(build, "7", [newId()])
      assert.deepStrictEqual(yield* owed(build, "7", 10), [])
      yield* missed(build, "2", [newId()])
      yield* end(build)
      yield* missed(build, "2", [newId()])
      yield* begin({ ...ofOwnIndex(), index: build.index })
      assert.deepStrictEqual(yield* owed(build, "2", 10), [])
    }))
}

const targets = (it: It) => {
  it.effect("say where writes go", () =>
    Effect.gen(function*() {
      const build = yield* begun
      const live = { _tag: "Live" } as const
      assert.deepStrictEqual(targetsOf(undefined), live)
      assert.deepStrictEqual(targetsOf(build), { _tag: "Beside", generation: "2" })
      assert.deepStrictEqual(targetsOf({ ...build, phase: "kept" }), { _tag: "Beside", generation: "1" })
      assert.deepStrictEqual(targetsOf({ ...build, phase: "dropping" }), live)
      assert.deepStrictEqual(targetsOf({ ...build, phase: "swapping" }), {
        _tag: "InOrder",
        first: { generation: "2", visible: true },
        second: { generation: "1" }
      })
      for (const phase of ["building", "swapping", "kept", "dropping"] as const) {
        assert.deepStrictEqual(targetsOf({ ...build, phase, follows: false }), live)
      }
    }))
}

export const suite = suiteOf<SearchBuilds>("SearchBuilds", [phases, misses, targets])
