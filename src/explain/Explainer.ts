/** Gathers and judges: what the database knows, and what the index says if it answers in time. */
import { Context, Effect, Layer, Result } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import type { IndexEntry } from "../search/IdRange.ts"
import { SearchIndex } from "../search/SearchIndex.ts"
import { SearchSource } from "../search/SearchSource.ts"
import type { Asked } from "./Asked.ts"
import { explain } from "./Explain.ts"
import type { Explanation } from "./Explanation.ts"
import { type Circumstances, type EngineFacts, ExplainFacts, type IndexFacts } from "./Facts.ts"
import { duration } from "./Say.ts"

const hex = /-/g

/** The id before this one, so that a range may hold it alone. */
export const before = (id: EntityId): EntityId => {
  const value = BigInt(`0x${id.replaceAll(hex, "")}`)
  const text = (value === 0n ? 0n : value - 1n).toString(16).padStart(32, "0")
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${
    text.slice(20)
  }` as EntityId
}

const byId = (entries: ReadonlyArray<IndexEntry>) => new Map(entries.map((entry) => [entry.id, entry]))

/** What searches show, only of what is alive. An engine without an index has answered: it has nothing. */
const askEngine = (ids: ReadonlyArray<EntityId>) =>
  Effect.gen(function*() {
    const index = yield* SearchIndex
    const stored = byId(yield* index.entriesOf(ids))
    const searched = yield* Effect.forEach(
      ids,
      (id) => Effect.map(index.entries({ after: before(id), to: id }, 1), ([entry]) => [id, entry] as const),
      { concurrency: 4 }
    )
    return { stored, searched: new Map(searched), noIndex: false }
  }).pipe(
    Effect.catchIf(
      ({ reason }) => reason === "no_index",
      () => Effect.succeed({ stored: byId([]), searched: byId([]), noIndex: true })
    )
  )

/** What both sides say of some entities. */
const lookUp = Effect.fnUntraced(function*(ids: ReadonlyArray<EntityId>, engineMs: number) {
  const [{ engine: name }, source] = [yield* SearchIndex, yield* SearchSource]
  const expected = byId(ids.length === 0 ? [] : yield* source.entriesOf(ids))
  const found = ids.length === 0 ? undefined : yield* askEngine(ids).pipe(
    Effect.timeoutOrElse({
      duration: engineMs,
      orElse: () => Effect.fail({ why: `no answer in ${duration(engineMs)}` })
    }),
    Effect.result
  )
  if (found !== undefined && Result.isFailure(found)) {
    return { name, away: found.failure.why, noIndex: false, entries: new Map() } satisfies EngineFacts
  }
  const entries = new Map(ids.map((id): readonly [EntityId, IndexFacts] => [id, {
    expected: expected.get(id),
    stored: found?.success.stored.get(id),
    searched: found?.success.searched.get(id)
  }]))
  return { name, away: null, noIndex: found?.success.noIndex ?? false, entries } satisfies EngineFacts
})

export class Explainer extends Context.Service<Explainer, {
  /** Never fails because of the engine: what it would have said is then unknown. */
  readonly explain: (asked: Asked) => Effect.Effect<Explanation, StoreUnavailable>
}>()("wordloom/explain/Explainer") {
  static readonly layer = (given: Circumstances) =>
    Layer.effect(
      Explainer,
      Effect.gen(function*() {
        const facts = yield* ExplainFacts
        const context = yield* Effect.context<SearchIndex | SearchSource>()
        return Explainer.of({
          explain: Effect.fnUntraced(function*(asked) {
            const gathered = yield* facts.gather(asked)
            const named = "id" in asked && asked.by !== "event" ? [asked.id] : []
            const ids = gathered.changes.length > 0 ? gathered.changes.map(({ id }) => id) : named
            const engine = yield* Effect.provideContext(lookUp([...new Set(ids)], given.engineMs), context)
            return explain({ asked, gathered, engine, given })
          }, Effect.withTracerEnabled(false))
        })
      })
    )
}
