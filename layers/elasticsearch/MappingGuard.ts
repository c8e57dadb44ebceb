/** Keeps writes from an index whose mapping is not ours: it would refuse each of them, and each would be buried. */
import { Effect, Option } from "effect"
import type { WriteResult, Written } from "../../src/search/SearchIndex.ts"
import type { ElasticsearchClient } from "./ElasticsearchClient.ts"
import { mappingForeign } from "./ElasticsearchErrors.ts"
import { knownIndexes } from "./KnownIndexes.ts"
import { objectionTo, writeAlias } from "./SearchMapping.ts"

/** What may mean that a name leads elsewhere than it did. */
const isDoubtful = (result: WriteResult) =>
  result._tag === "Failed" && (result.failure.class === "configuration" || result.failure.errorType === "es_mapping")

export interface MappingGuard {
  /** Looks before the first write to `index`, and again after some failures; not with every batch. */
  readonly around: <R>(
    index: string,
    count: number,
    write: Effect.Effect<Written, never, R>
  ) => Effect.Effect<Written, never, R | ElasticsearchClient>
}

export const make = (): MappingGuard => {
  /** Names that led to an index of ours when they were last asked for. */
  const trusted = new Set<string>()

  /** What is in the way. Where nobody could say, the write itself is told why. */
  const look = Effect.fnUntraced(function*(index: string) {
    // An earlier version made no alias for writes: the one for searches tells what stands in the way then.
    const found = yield* Effect.option(knownIndexes(`${writeAlias(index)},${index}`, true))
    if (Option.isNone(found)) return undefined
    const objection = Object.entries(found.value)
      .map(([name, known]) => objectionTo(name, known))
      .find((said) => said !== undefined)
    if (objection !== undefined) return mappingForeign(objection)
    if (Object.keys(found.value).length > 0) trusted.add(index)
    return undefined
  })

  return {
    around: Effect.fnUntraced(function*(index, count, write) {
      const bar = trusted.has(index) ? undefined : yield* look(index)
      if (bar !== undefined) {
        const results = Array.from({ length: count }, (): WriteResult => ({ _tag: "Failed", failure: bar }))
        return { results, calls: [], refused: bar }
      }
      const written = yield* write
      if (!written.results.some(isDoubtful)) return written
      trusted.delete(index)
      // Then it is not the documents that are wrong, and none of them may be buried for it.
      const now = yield* look(index)
      if (now === undefined) return written
      const results = written.results.map((result): WriteResult =>
        isDoubtful(result) ? { _tag: "Failed", failure: now } : result
      )
      return { ...written, results, refused: now }
    })
  }
}
