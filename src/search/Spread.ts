/** Brings a batch to every generation of the index that must have it. */
import { Clock, Effect, Ref } from "effect"
import { type Build, SearchBuilds, targetsOf } from "./SearchBuilds.ts"
import type { IndexWrite } from "./SearchDocument.ts"
import { SearchIndex, type Target, type WriteResult, type Written } from "./SearchIndex.ts"

const isFailed = (result: WriteResult) => result._tag === "Failed"

const withResults = (writes: ReadonlyArray<IndexWrite>, { results }: Written) =>
  writes.map((write, at) => ({ write, result: results[at]! }))

/** A row that is settled must be everywhere, or noted: what is to be tried again need not be. */
const isSettled = (result: WriteResult) => result._tag !== "Failed" || result.failure.class === "poison"

/** A generation that is away says so with every batch. */
const toldEveryMs = 60_000

export const make = Effect.gen(function*() {
  const index = yield* SearchIndex
  const builds = yield* SearchBuilds
  const toldAt = yield* Ref.make(-Infinity)

  const tell = Effect.fnUntraced(function*(generation: string, results: ReadonlyArray<WriteResult>) {
    const failure = results.flatMap((result) => result._tag === "Failed" ? [result.failure] : [])[0]
    const now = yield* Clock.currentTimeMillis
    const isDue = yield* Ref.modify(toldAt, (last) => now - last < toldEveryMs ? [false, last] : [true, now])
    if (!isDue) return
    yield* Effect.logWarning("a generation of the search index that is not live misses writes; they are noted", {
      generation,
      error_type: failure?.errorType,
      error: failure?.detail
    })
  })

  /** The live one alone decides what becomes of a row; what the other misses is written down before that. */
  const beside = Effect.fnUntraced(function*(writes: ReadonlyArray<IndexWrite>, build: Build, generation: string) {
    const live = yield* index.write(writes)
    const settled = withResults(writes, live).filter(({ result }) => isSettled(result)).map(({ write }) => write)
    const other = yield* index.write(settled, { generation })
    const missed = withResults(settled, other).filter(({ result }) => isFailed(result)).map(({ write }) => write.id)
    if (missed.length > 0) {
      yield* builds.missed(build, generation, missed)
      yield* tell(generation, other.results)
    }
    return { ...live, calls: [...live.calls, ...other.calls] }
  })

  /** Only what the first has goes to the second, and only what both have is done. */
  const inOrder = Effect.fnUntraced(function*(writes: ReadonlyArray<IndexWrite>, first: Target, second: Target) {
    const one = yield* index.write(writes, first)
    const reached = withResults(writes, one).filter(({ result }) => !isFailed(result)).map(({ write }) => write)
    const other = yield* index.write(reached, second)
    const rest = other.results[Symbol.iterator]()
    const results = one.results.map((result) => isFailed(result) ? result : rest.next().value!)
    return { results, calls: [...one.calls, ...other.calls], refused: one.refused ?? other.refused }
  })

  return (writes: ReadonlyArray<IndexWrite>, build: Build | undefined) => {
    const targets = targetsOf(build)
    switch (targets._tag) {
      case "Live":
        return index.write(writes)
      case "Beside":
        return beside(writes, build!, targets.generation)
      case "InOrder":
        return inOrder(writes, targets.first, targets.second)
    }
  }
})
