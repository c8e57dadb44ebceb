/** The search index as a map: the shortest true statement of what the port promises. */
import { Clock, Effect, Layer } from "effect"
import type { Failure } from "../../src/delivery/Failure.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { CursorInvalid, toPage } from "../../src/domain/Paging.ts"
import type { Generations } from "../../src/search/Generations.ts"
import { decodeCursor, encodeCursor } from "../../src/search/SearchCursor.ts"
import type { IndexWrite, SearchDocument } from "../../src/search/SearchDocument.ts"
import {
  type Found,
  type SearchHit,
  SearchIndex,
  type WriteResult,
  type Written
} from "../../src/search/SearchIndex.ts"
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

const missing: Failure = {
  class: "configuration",
  errorType: "generation_missing",
  detail: "there is no such generation"
}

export const layer = Layer.sync(SearchIndex, () => {
  type Documents = Map<EntityId, IndexWrite & { readonly writtenAt: number }>
  const known = new Map<string, Documents>([["1", new Map()]])
  let live = "1"
  let last = 1

  const documents = (generation = live): Documents => known.get(generation) ?? new Map()

  const put = (into: Documents, now: number) => (write: IndexWrite): WriteResult => {
    if ((into.get(write.id)?.revision ?? 0) >= write.revision) return { _tag: "Superseded" }
    into.set(write.id, { ...write, writtenAt: now })
    return { _tag: "Written" }
  }

  const write = (writes: ReadonlyArray<IndexWrite>, generation: string, now: number): Written => {
    const into = known.get(generation)
    return into === undefined
      ? { results: writes.map(() => ({ _tag: "Failed", failure: missing })), calls: [], refused: missing }
      : { results: writes.map(put(into, now)), calls: [] }
  }

  const generations: Generations = {
    list: Effect.sync(() => [...known.keys()].map((name) => ({ name, live: name === live, writable: true }))),
    next: Effect.sync(() => String(last + 1)),
    create: (name) =>
      Effect.sync(() => {
        last = Math.max(last, Number(name))
        if (!known.has(name)) known.set(name, new Map())
      }),
    makeLive: (name) =>
      Effect.sync(() => {
        live = name
      }),
    drop: (name) => Effect.sync(() => void known.delete(name)),
    refresh: () => Effect.void
  }

  const purge = (before: number, limit: number): number => {
    const all = documents()
    const old = [...all.values()].filter(({ document, writtenAt }) => document === null && writtenAt < before)
    const gone = old.slice(0, limit)
    for (const { id } of gone) all.delete(id)
    return gone.length
  }

  const foundBy = ({ kind, library_id, tag_id, terms }: SearchQuery): ReadonlyArray<Found> =>
    [...documents().values()].flatMap(({ document, id, kind: known }) => {
      if (document === null || (kind !== undefined && kind !== known)) return []
      if (library_id !== undefined && library_id !== document.library_id) return []
      if (tag_id !== undefined && !document.tag_ids.includes(tag_id)) return []
      const score = scoreOf(document, terms)
      return score === 0 ? [] : [{ id, score }]
    })

  const hitOf = (terms: SearchTerms) => ({ id, score }: Found): ReadonlyArray<SearchHit> => {
    const { document, kind, version } = documents().get(id) ?? { document: null }
    return document === null || kind === undefined || version === undefined
      ? []
      : [{ kind, id, title: document.title, snippet: snippetOf(document, terms), score, version }]
  }

  return SearchIndex.of({
    engine: "postgres",
    name: "memory",
    generations,
    prepare: Effect.void,
    write: (writes, { generation } = { generation: live }) =>
      Effect.map(Clock.currentTimeMillis, (now) => write(writes, generation, now)),
    recall: Effect.fnUntraced(function*(query, limit, cursor) {
      const after = cursor === undefined ? { score: Infinity, id: "" } : decodeCursor(query, cursor)
      if (after === undefined) return yield* new CursorInvalid()
      const found = foundBy(query)
        .filter(({ id, score }) => score < after.score || (score === after.score && id > after.id))
        .toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
      return toPage(found, limit, (last) => encodeCursor(query, last))
    }),
    hydrate: (terms, found) => Effect.sync(() => found.flatMap(hitOf(terms))),
    refresh: Effect.void,
    stateOf: (id) =>
      Effect.sync(() => {
        const state = documents().get(id)
        return state && { version: state.version, revision: state.revision, deleted: state.document === null }
      }),
    digests: (ranges, generation) =>
      Effect.sync(() => ranges.map((range) => digestsOf(within(documents(generation).values(), range)))),
    entries: (range, limit, generation) =>
      Effect.sync(() => within(documents(generation).values(), range).slice(0, limit)),
    entriesOf: (ids, generation) =>
      Effect.sync(() => [...new Set(ids)].flatMap((id) => documents(generation).get(id) ?? []).map(entryOf)),
    purge: (before, limit) => Effect.sync(() => purge(before, limit))
  })
})
