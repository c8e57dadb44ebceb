/** The lines of a bulk request: one versioned document each, in requests of bounded size. */
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import { digestOf } from "./DocumentDigest.ts"

const removed = { title: "", body: "", library_id: null, tag_ids: [], library: null, tags: [] } as const

/**
 * The action and the document. With an external version Elasticsearch itself refuses whatever is not newer. A removal
 * is a document too, because Elasticsearch forgets the version of a deleted one after a minute.
 */
export const linesOf = (write: IndexWrite, writtenAt: number): string => {
  const { document, id, kind, revision, version } = write
  const action = { index: { _id: id, version: revision, version_type: "external" } }
  const { body, library, library_id, tag_ids, tags, title } = document ?? removed
  const said = { kind, id, version, title, body, library_id, tag_ids, library, tags }
  const source = { ...said, deleted: document === null, digest: digestOf(write), written_at: writtenAt }
  return `${JSON.stringify(action)}\n${JSON.stringify(source)}\n`
}

export interface Bounds {
  readonly bytesMax: number
  readonly itemsMax: number
}

/** Elasticsearch advises requests of a few megabytes; they are held in memory on both sides, twice while compressed. */
export const bounds: Bounds = { bytesMax: 5_000_000, itemsMax: 1_000 }

/** Groups in the order of `items`; one that is too large by itself stays alone. */
export const chunksOf = (
  items: ReadonlyArray<string>,
  { bytesMax, itemsMax }: Bounds
): ReadonlyArray<ReadonlyArray<string>> => {
  const chunks: Array<Array<string>> = []
  let bytes = 0
  for (const item of items) {
    const size = Buffer.byteLength(item)
    const last = chunks.at(-1)
    if (last === undefined || last.length >= itemsMax || bytes + size > bytesMax) {
      chunks.push([item])
      bytes = size
    } else {
      last.push(item)
      bytes += size
    }
  }
  return chunks
}

export const halvesOf = <A>(items: ReadonlyArray<A>): readonly [ReadonlyArray<A>, ReadonlyArray<A>] => {
  const middle = Math.ceil(items.length / 2)
  return [items.slice(0, middle), items.slice(middle)]
}
