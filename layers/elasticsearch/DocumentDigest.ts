/** What a document says, in forty bits: by their sums over a range of ids, two stores compare many at once. */
import { createHash } from "node:crypto"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"

/** Parts fields and names; whoever has it in a text changes which texts look alike, and nothing else. */
const separator = "\u001f"

/**
 * 0 for a tombstone. Sums of 4,096 are exact in a double, which Elasticsearch adds in. PostgreSQL's own is
 * `wordloom_digest`, letter for letter.
 */
export const digestOf = ({ document, id, kind, version }: Omit<IndexWrite, "revision">): number => {
  if (document === null) return 0
  const { body, library, library_id, tag_ids, tags, title } = document
  const names = [library ?? "", tags.join(separator)]
  const said = [kind, id, version, title, body, library_id ?? "", tag_ids.join(","), ...names].join(separator)
  return Number.parseInt(createHash("sha256").update(said).digest("hex").slice(0, 10), 16)
}
