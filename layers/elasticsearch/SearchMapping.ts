/** How the documents lie in the index, and the mark by which an index of ours is known. */
import { createHash } from "node:crypto"

/** Nothing here needs more than the modules that every Elasticsearch has. */
const properties = {
  kind: { type: "keyword" },
  id: { type: "keyword" },
  version: { type: "long" },
  // `exact` puts the entity whose title is the query first; the normalizer is a built-in one.
  title: { type: "text", fields: { exact: { type: "keyword", normalizer: "lowercase" } } },
  // Offsets save the highlighter from taking long bodies apart again.
  body: { type: "text", index_options: "offsets" },
  library_id: { type: "keyword" },
  tag_ids: { type: "keyword" },
  library: { type: "text" },
  tags: { type: "text" },
  deleted: { type: "boolean" },
  // What the document says, in forty bits: summed up over ranges of ids to be compared with the database.
  digest: { type: "long" },
  written_at: { type: "date" }
} as const

const mappings = { dynamic: "strict", properties } as const

const hash = createHash("sha256").update(JSON.stringify(mappings)).digest("hex").slice(0, 16)

/** The body that makes an index, with `alias` leading to it. */
export const indexBody = (alias: string) => ({
  settings: {
    number_of_shards: 1,
    auto_expand_replicas: "0-1",
    // Said aloud, the default also holds for an index that nobody has searched for half a minute.
    refresh_interval: "1s"
  },
  mappings: { ...mappings, _meta: { wordloom_mapping: hash } },
  aliases: { [alias]: { is_write_index: true } }
})

/** The first index behind an alias; a rebuild takes the next number. */
export const firstIndex = (alias: string): string => `${alias}-000001`

/** `found`: for each index behind the name, what `GET /{name}/_mapping` says. `undefined` when all of them are ours. */
export const foreign = (
  alias: string,
  found: Readonly<Record<string, { readonly mappings?: { readonly _meta?: Readonly<Record<string, unknown>> } }>>
): string | undefined => {
  for (const [name, { mappings }] of Object.entries(found)) {
    if (name === alias) return `${name} is an index; the name must be free for an alias`
    const mark = mappings?._meta?.["wordloom_mapping"]
    if (mark === undefined) return `${name}, behind the alias ${alias}, is not an index of this product`
    if (mark !== hash) {
      const known = typeof mark === "string" ? mark : "of no name"
      return `${name}, behind the alias ${alias}, has the mapping ${known} and not ${hash}`
    }
  }
  return undefined
}
