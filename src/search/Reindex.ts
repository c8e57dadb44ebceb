/**
 * Rebuilds the index beside the live one while writes and searches go on; takes the new one, goes back to the old.
 *
 * Each step leaves a state from which the same command goes on. Why no write is lost: docs/decisions/0013-reindex.md.
 */
import { Effect, Schema } from "effect"
import { InFlight } from "../outbox/InFlight.ts"
import { fill, repay } from "./Backfill.ts"
import { type Build, SearchBuilds } from "./SearchBuilds.ts"
import { SearchIndex } from "./SearchIndex.ts"
import { SearchSource } from "./SearchSource.ts"
import { verify } from "./Verification.ts"

/** What was asked for cannot be done as things stand. */
export class NotNow extends Schema.TaggedError<NotNow>("wordloom/search/NotNow")("NotNow", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

export interface Watch {
  /** Before the first page of a run; `build` says how far an earlier run came. */
  readonly onFill: (build: Build, entities: number) => Effect.Effect<void>
  readonly onPage: (build: Build) => Effect.Effect<void>
  readonly onStep: (step: string) => Effect.Effect<void>
}

const live = Effect.gen(function*() {
  const { generations: { list }, prepare } = yield* SearchIndex
  const find = Effect.map(list, (all) => all.find((each) => each.live))
  // With nothing to search in, the first generation is an empty one: from then on there is always something live.
  const found = (yield* find) ?? (yield* Effect.andThen(prepare, find))
  return found ?? (yield* new NotNow({ reason: "the search index leads nowhere, and could not be made" }))
})

/** Nobody writes to it any more, and then it goes. */
const dropped = Effect.fnUntraced(function*(build: Build, generation: string) {
  const [{ generations }, builds, inFlight] = [yield* SearchIndex, yield* SearchBuilds, yield* InFlight]
  if ((yield* live).name === generation) return yield* new NotNow({ reason: `${generation} is what is searched` })
  const dropping = yield* builds.change(build, { ...build, phase: "dropping", generation })
  yield* inFlight.ended("search")
  yield* generations.drop(generation)
  yield* builds.end(dropping)
})

/** What an earlier command began to drop, or kept for a way back that a new build takes the place of. */
const cleared = Effect.fnUntraced(function*(build: Build | undefined, { onStep }: Watch) {
  if (build === undefined || build.phase === "building" || build.phase === "swapping") return build
  const old = build.phase === "dropping" ? build.generation : build.previous
  yield* onStep(`dropping ${old}`)
  yield* dropped(build, old)
  return undefined
})

const begun = Effect.gen(function*() {
  const [{ generations, name }, builds] = [yield* SearchIndex, yield* SearchBuilds]
  const { name: previous, writable } = yield* live
  // Written down first, so that whatever comes to be can be found again.
  return yield* builds.begin({ index: name, generation: yield* generations.next, previous, follows: writable })
})

/** Where to go on: from the last page, if all is still as the earlier run left it, or else from the first. */
const ready = Effect.fnUntraced(function*(known: Build | undefined) {
  const [{ generations }, builds] = [yield* SearchIndex, yield* SearchBuilds]
  const [now, all] = [yield* live, yield* generations.list]
  const found = all.find(({ name }) => name === known?.generation)
  const spoilt = known !== undefined && (now.name !== known.previous || found?.writable === false)
  if (spoilt) yield* dropped(known, known.generation)
  const build = known === undefined || spoilt ? yield* begun : known
  if (found !== undefined && !spoilt) return build
  yield* generations.create(build.generation)
  return build.cursor === null ? build : yield* builds.change(build, { ...build, cursor: null, written: 0 })
})

/**
 * Once all who hold a batch know of the swap, they write to the one to come first. Then what it missed is made up for;
 * and then it may be searched.
 */
const swapped = Effect.fnUntraced(function*(build: Build) {
  const [{ generations }, builds, inFlight] = [yield* SearchIndex, yield* SearchBuilds, yield* InFlight]
  const swapping = yield* builds.change(build, { ...build, phase: "swapping" })
  yield* inFlight.ended("search")
  yield* repay(swapping, swapping.generation)
  yield* generations.makeLive(swapping.generation)
  return yield* builds.change(swapping, { ...swapping, phase: "kept" })
})

const held = Effect.gen(function*() {
  const [{ name }, builds] = [yield* SearchIndex, yield* SearchBuilds]
  yield* builds.hold(name)
  return yield* builds.find(name)
})

/** Builds a generation, or goes on with one, and makes it live; the one that was live is kept. */
export const reindex = Effect.fnUntraced(function*(watch: Watch) {
  const [builds, source] = [yield* SearchBuilds, yield* SearchSource]
  const known = yield* cleared(yield* held, watch)
  if (known?.phase === "swapping") return yield* swapped(known)
  const build = yield* ready(known)
  yield* watch.onFill(build, yield* source.count)
  const filled = yield* fill(build, watch.onPage)
  yield* watch.onStep(`verifying ${filled.generation}`)
  yield* verify(filled).pipe(
    // The next run writes everything once more, rather than to believe what did not come out right.
    Effect.tapErrorTag("GenerationDiffers", () => builds.change(filled, { ...filled, cursor: null, written: 0 }))
  )
  yield* watch.onStep(`making ${filled.generation} live`)
  return yield* swapped(filled)
}, Effect.scoped)

/** The kept generation, which has had every write, takes the place of the live one, and is kept in its place. */
export const rollback = Effect.gen(function*() {
  const build = yield* held
  if (build?.phase === "swapping") return yield* swapped(build)
  if (build?.phase !== "kept") {
    return yield* new NotNow({ reason: "no earlier generation is kept: nothing to go back to" })
  }
  const { generation, previous } = build
  if (!build.follows) {
    const reason = `${previous} has a form that this version does not write: it has had no write since it was replaced`
    return yield* new NotNow({ reason })
  }
  yield* repay(build, previous)
  const builds = yield* SearchBuilds
  const back = { ...build, phase: "swapping", generation: previous, previous: generation } as const
  return yield* swapped(yield* builds.change(build, back))
}).pipe(Effect.scoped)

/** Drops the kept generation; answers its name. */
export const dropOld = Effect.gen(function*() {
  const build = yield* held
  if (build?.phase !== "kept" && build?.phase !== "dropping") return undefined
  const old = build.phase === "dropping" ? build.generation : build.previous
  yield* dropped(build, old)
  return old
}).pipe(Effect.scoped)

/** Drops what is being built; what is live stays so. */
export const abandon = Effect.gen(function*() {
  const build = yield* held
  if (build?.phase !== "building" && build?.phase !== "swapping") return undefined
  yield* dropped(build, build.generation)
  return build.generation
}).pipe(Effect.scoped)
