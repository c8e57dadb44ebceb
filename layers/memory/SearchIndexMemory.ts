/** The search index as a map: the shortest true statement of what the port promises. */
import { Clock, Effect, Layer } from "effect"
import type { EntityId } from "../../src/domain/Entity.ts"
import { CursorInvalid, toPage } from "../../src/domain/Paging.ts"
import { decodeCursor, encodeCursor } from "../../src/search/SearchCursor.ts"
import type { IndexWrite, SearchDocument } from "../../src/search/SearchDocument.ts"
import { type SearchHit, SearchIndex, type WriteResult } from "../../src/search/SearchIndex.ts"
import type { SearchQuery, SearchTerms } from "../../src/search/SearchQuery.ts"
import { snippetOf, wordsOf } from "../../src/search/Snippet.ts"
import { digestsOf, entryOf, within } from "./IndexEntries.ts"

/** The pieces of `term` stand in `text` one after the other; with `open`, the last may be the beginning of a word. */
const holds = (text: string, term: string, open = false): boolean => {
  const words = wordsOf(text)
  const pieces = wordsOf(term)
  const fits = (piece: string, at: number, found: string | undefined) =>
    open && at === pieces.length - 1 ? found?.startsWith(piece) === true : found === piece
  return pieces.length > 0 && words.some((_, from) => pieces.every((piece, at) => fits(piece, at, words[from + at])))
}

const exactScore = 1_000
const titleScore = 3

const scoreOf = (
  { body, library, tags, title }: SearchDocument,
  { phrases, prefix, without, words }: SearchTerms
): number => {
  const score = (term: string, open = false) =>
    (holds(title, term, open) ? titleScore : 0)
    + [body, library ?? "", ...tags].filter((text) => holds(text, term, open)).length
  const scores = [...words, ...phrases].map((term) => score(term)).concat(prefix === null ? [] : score(prefix, true))
  if (scores.includes(0) || without.some((term) => score(term) > 0)) return 0
  const whole = [...words, ...phrases, ...(prefix === null ? [] : [prefix])].join(" ")
  return scores.reduce((sum, each) => sum + each, title.toLowerCase() === whole.toLowerCase() ? exactScore : 0)
}

/** There is only one part of it, whatever is asked for. */
export const layer = Layer.sync(SearchIndex, () => {
  const known = new Map<EntityId, IndexWrite & { readonly writtenAt: number }>()

  const put = (now: number) => (write: IndexWrite): WriteResult => {
    if ((known.get(write.id)?.revision ?? 0) >= write.revision) return { _tag: "Superseded" }
    known.set(write.id, { ...write, writtenAt: now })
    return { _tag: "Written" }
  }

  const purge = (before: number, limit: number): number => {
    const old = [...known.values()].filter(({ document, writtenAt }) => document === null && writtenAt < before)
    const gone = old.slice(0, limit)
    for (const { id } of gone) known.delete(id)
    return gone.length
  }

  const hitsOf = ({ kind, library_id, tag_id, terms }: SearchQuery): ReadonlyArray<SearchHit> =>
    [...known.values()].flatMap(({ document, revision: _revision, writtenAt: _at, ...entity }) => {
      if (document === null || (kind !== undefined && kind !== entity.kind)) return []
      if (library_id !== undefined && library_id !== document.library_id) return []
      if (tag_id !== undefined && !document.tag_ids.includes(tag_id)) return []
      const score = scoreOf(document, terms)
      return score === 0 ? [] : [{ ...entity, title: document.title, snippet: snippetOf(document, terms), score }]
    })

  return SearchIndex.of({
    engine: "postgres",
    prepare: Effect.void,
    write: (writes) => Effect.map(Clock.currentTimeMillis, (now) => ({ results: writes.map(put(now)), calls: [] })),
    find: Effect.fnUntraced(function*(query, limit, cursor) {
      const after = cursor === undefined ? { score: Infinity, id: "" } : decodeCursor(query, cursor)
      if (after === undefined) return yield* new CursorInvalid()
      const hits = hitsOf(query)
        .filter(({ id, score }) => score < after.score || (score === after.score && id > after.id))
        .toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
      return toPage(hits, limit, (last) => encodeCursor(query, last))
    }),
    refresh: Effect.void,
    stateOf: (id) =>
      Effect.sync(() => {
        const state = known.get(id)
        return state && { version: state.version, revision: state.revision, deleted: state.document === null }
      }),
    digests: (ranges) => Effect.sync(() => ranges.map((range) => digestsOf(within(known.values(), range)))),
    entries: (range, limit) => Effect.sync(() => within(known.values(), range).slice(0, limit)),
    entriesOf: (ids) =>
      Effect.sync(() => [...new Set(ids)].flatMap((id) => known.get(id) ?? []).map((write) => entryOf(write))),
    purge: (before, limit) => Effect.sync(() => purge(before, limit))
  })
})
