/** Writes what the index should say to one generation, as long as it takes, however busy the engine is. */
import { Effect, Option, Random, Schema, Stream } from "effect"
import { type Backoff, delayMs } from "../domain/Backoff.ts"
import type { EntityId } from "../domain/Entity.ts"
import { type Build, SearchBuilds } from "./SearchBuilds.ts"
import type { IndexWrite } from "./SearchDocument.ts"
import { SearchIndex } from "./SearchIndex.ts"
import { SearchSource } from "./SearchSource.ts"

/** The engine does not take what it is given, now or ever. */
export class WritesRefused extends Schema.TaggedError<WritesRefused>("wordloom/search/WritesRefused")("WritesRefused", {
  generation: Schema.String,
  errorType: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.generation} takes no more writes (${this.errorType}): ${this.detail}`
  }
}

/** Entities per statement and request. */
const pageSize = 500
/** While one page is written the next is read and sent; more would only take from those who search and write. */
const pagesAtOnce = 2

const attemptsMax = 10
/** Some three minutes in all, which outlasts the restart of a node. */
const backoff: Backoff = { baseMs: 500, capMs: 60_000 }

/** What has too much to do is left alone for a while, and then only asked again for what it did not take. */
const put = Effect.fnUntraced(function*(generation: string, writes: ReadonlyArray<IndexWrite>) {
  const { write } = yield* SearchIndex
  let left = writes
  for (let attempt = 1; left.length > 0; attempt++) {
    const { results } = yield* write(left, { generation })
    const failed = results.flatMap((result, at) =>
      result._tag === "Failed" ? [{ write: left[at]!, failure: result.failure }] : []
    )
    const last = attempt === attemptsMax
    const hopeless = failed.find(({ failure }) => last || !["transient", "throttled"].includes(failure.class))
    if (hopeless !== undefined) {
      const { detail, errorType } = hopeless.failure
      return yield* new WritesRefused({ generation, errorType, detail })
    }
    left = failed.map(({ write }) => write)
    const asked = Math.max(0, ...failed.map(({ failure }) => failure.retryAfterMs ?? 0))
    if (left.length > 0) yield* Effect.sleep(delayMs(backoff, attempt, yield* Random.next, asked))
  }
})

/** All entities from where the build was left, in the order of their ids; each page is noted once it is written. */
export const fill = Effect.fnUntraced(
  function*<E, R>(from: Build, onPage: (build: Build) => Effect.Effect<void, E, R>) {
    const source = yield* SearchSource
    const builds = yield* SearchBuilds
    const { generation } = from
    let build = from
    const pages = Stream.paginate(
      from.cursor ?? undefined,
      (after: EntityId | undefined) =>
        Effect.map(source.page(after, pageSize), (page) =>
          [
            page.length === 0 ? [] : [page],
            page.length < pageSize ? Option.none<EntityId>() : Option.some(page.at(-1)!.id)
          ] as const)
    )
    yield* pages.pipe(
      Stream.mapEffect((page) => Effect.as(put(generation, page), page), { concurrency: pagesAtOnce }),
      Stream.runForEach(Effect.fnUntraced(function*(page) {
        const written = build.written + page.length
        build = yield* builds.change(build, { ...build, cursor: page.at(-1)!.id, written })
        yield* onPage(build)
      }))
    )
    return build
  }
)

/** A writer that notes more than this while it is made up for cannot be kept up with. */
const roundsMax = 200

/** Makes up for the writes that a generation missed. */
export const repay = Effect.fnUntraced(function*(build: Build, generation: string) {
  const source = yield* SearchSource
  const builds = yield* SearchBuilds
  for (let round = 0; round < roundsMax; round++) {
    const misses = yield* builds.owed(build, generation, pageSize)
    if (misses.length === 0) return
    yield* put(generation, yield* source.load(misses.map(({ id }) => id)))
    yield* builds.paid(build, generation, misses)
  }
  return yield* new WritesRefused({
    generation,
    errorType: "missed",
    detail: "it misses writes as fast as they are made up for; the log of the workers says why"
  })
})
