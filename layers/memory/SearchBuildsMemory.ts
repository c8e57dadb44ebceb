/** The builds of search indexes as values, one for each index. */
import { Effect, Layer } from "effect"
import type { EntityId } from "../../src/domain/Entity.ts"
import { type Build, BuildMoved, BuildRunning, SearchBuilds } from "../../src/search/SearchBuilds.ts"

interface Kept {
  readonly build: Build
  /** By generation: how often each entity was missed. */
  readonly misses: ReadonlyMap<string, ReadonlyMap<EntityId, number>>
}

const isAs = (a: Build, b: Build) => a.phase === b.phase && a.generation === b.generation && a.cursor === b.cursor

export const layer = Layer.sync(SearchBuilds, () => {
  const kept = new Map<string, Kept>()
  const held = new Set<string>()

  const asSaid = (from: Build, then: (known: Kept) => void) =>
    Effect.suspend(() => {
      const known = kept.get(from.index)
      if (known === undefined || !isAs(known.build, from)) return Effect.fail(new BuildMoved({ index: from.index }))
      return Effect.sync(() => then(known))
    })

  const missesOf = ({ index }: Build, generation: string) => new Map(kept.get(index)?.misses.get(generation))

  const putMisses = ({ index }: Build, generation: string, misses: ReadonlyMap<EntityId, number>) => {
    const known = kept.get(index)
    if (known === undefined || ![known.build.generation, known.build.previous].includes(generation)) return
    kept.set(index, { ...known, misses: new Map(known.misses).set(generation, misses) })
  }

  return SearchBuilds.of({
    hold: (index) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          if (held.has(index)) return Effect.fail(new BuildRunning({ index }))
          return Effect.sync(() => held.add(index))
        }),
        () => Effect.sync(() => held.delete(index))
      ).pipe(Effect.asVoid),
    find: (index) => Effect.sync(() => kept.get(index)?.build),
    begin: (wanted) =>
      Effect.suspend(() => {
        if (kept.has(wanted.index)) return Effect.fail(new BuildMoved({ index: wanted.index }))
        const build: Build = { ...wanted, phase: "building", cursor: null, written: 0 }
        kept.set(wanted.index, { build, misses: new Map() })
        return Effect.succeed(build)
      }),
    change: (from, to) => Effect.as(asSaid(from, (known) => kept.set(from.index, { ...known, build: to })), to),
    end: (build) => asSaid(build, () => kept.delete(build.index)),
    missed: (build, generation, ids) =>
      Effect.sync(() => {
        const misses = missesOf(build, generation)
        for (const id of ids) misses.set(id, (misses.get(id) ?? 0) + 1)
        putMisses(build, generation, misses)
      }),
    owed: (build, generation, limit) =>
      Effect.sync(() =>
        [...missesOf(build, generation)].map(([id, times]) => ({ id, times }))
          .toSorted((a, b) => a.id < b.id ? -1 : 1)
          .slice(0, limit)
      ),
    paid: (build, generation, paid) =>
      Effect.sync(() => {
        const misses = missesOf(build, generation)
        for (const { id, times } of paid) if (misses.get(id) === times) misses.delete(id)
        putMisses(build, generation, misses)
      })
  })
})
