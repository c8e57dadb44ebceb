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

/** Writes go here: to an index `name`, or to whatever is behind the alias of that name. */
export const writeAlias = (name: string): string => `${name}-write`

/**
 * Each index has an alias for writes that are meant for it alone: to the name of one that is gone, Elasticsearch would
 * make another, with a mapping that it guesses.
 */
export const ownAliases = (index: string) => ({ [writeAlias(index)]: {} })

/** Searches come in by `alias`, writes by its write alias; both lead to the live index. */
export const liveAliases = (alias: string) => ({ [alias]: {}, [writeAlias(alias)]: { is_write_index: true } })

/** The body that makes an index. */
export const indexBody = (aliases: Readonly<Record<string, object>>) => ({
  settings: {
    number_of_shards: 1,
    auto_expand_replicas: "0-1",
    // Said aloud, the default also holds for an index that nobody has searched for half a minute.
    refresh_interval: "1s"
  },
  mappings: { ...mappings, _meta: { wordloom_mapping: hash } },
  aliases
})

/** The indexes behind an alias are numbered; a rebuild takes the next number. */
export const indexOf = (alias: string, number: number): string => `${alias}-${String(number).padStart(6, "0")}`

export const firstIndex = (alias: string): string => indexOf(alias, 1)

/** `undefined` for what is not one of the indexes behind this alias. */
export const numberOf = (alias: string, index: string): number | undefined => {
  const number = index.startsWith(`${alias}-`) ? index.slice(alias.length + 1) : ""
  return /^\d{6}$/.test(number) ? Number(number) : undefined
}

/** What Elasticsearch says of an index, as far as it matters here. */
export interface KnownIndex {
  readonly aliases?: Readonly<Record<string, unknown>>
  readonly mappings?: { readonly _meta?: Readonly<Record<string, unknown>> }
}

/** Why nothing of ours may be written to an index; `undefined` when it is one of ours and of this version. */
export const objectionTo = (index: string, { mappings }: KnownIndex): string | undefined => {
  const mark = mappings?._meta?.["wordloom_mapping"]
  if (mark === undefined) return `${index} is not an index of this product`
  if (mark === hash) return undefined
  const known = typeof mark === "string" ? mark : "of no name"
  return `${index} has the mapping ${known} and not ${hash}: run "node programs/wordloom.js reindex"`
}

/** The same of all indexes behind a name. */
export const foreign = (alias: string, found: Readonly<Record<string, KnownIndex>>): string | undefined =>
  Object.hasOwn(found, alias)
    ? `${alias} is an index; the name must be free for an alias`
    : Object.entries(found).map(([index, known]) => objectionTo(index, known)).find((said) => said !== undefined)
