/** What documents in memory say of themselves, in a number that only memory's own stores compare. */
import { Hash } from "effect"
import { type IdRange, type IndexEntry, isIn, type RangeDigest } from "../../src/search/IdRange.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"

export const digestOf = ({ document, id, kind, version }: IndexWrite): number =>
  document === null ? 0 : Hash.string(JSON.stringify([kind, id, version, document])) >>> 0

export const entryOf = (write: IndexWrite): IndexEntry => {
  const { document, id, kind, revision, version } = write
  return { id, kind, version, revision, deleted: document === null, digest: digestOf(write) }
}

/** What is alive in a range, in the order of the ids. */
export const within = (all: Iterable<IndexWrite>, range: IdRange): ReadonlyArray<IndexEntry> =>
  [...all].filter(({ document, id }) => document !== null && isIn(range, id)).map(entryOf).toSorted((a, b) =>
    a.id < b.id ? -1 : 1
  )

const sum = (values: ReadonlyArray<number>) => values.reduce((all, value) => all + value, 0)

export const digestsOf = (entries: ReadonlyArray<IndexEntry>): RangeDigest => ({
  count: entries.length,
  digest: sum(entries.map(({ digest }) => digest)),
  revision: sum(entries.map(({ revision }) => revision))
})
