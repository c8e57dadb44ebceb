/** What people type into the search box, as terms that every engine understands alike. */
import type { EntityId, EntityKind } from "../domain/Entity.ts"

/** All of `words`, `phrases` and `prefix` must be there, none of `without`. */
export interface SearchTerms {
  readonly words: ReadonlyArray<string>
  readonly phrases: ReadonlyArray<string>
  readonly without: ReadonlyArray<string>
  /** The last word, perhaps not finished yet. */
  readonly prefix: string | null
}

export interface SearchQuery {
  readonly terms: SearchTerms
  readonly kind?: EntityKind | undefined
  readonly library_id?: EntityId | undefined
  readonly tag_id?: EntityId | undefined
}

/** Longer queries are refused; further terms than these are refused as well. */
export const queryMax = 256
export const termsMax = 32

const token = /(-?)"([^"]*)"?|(-?)(\S+)/gu
const searchable = /[\p{L}\p{N}]/u

/**
 * `word`, `"a phrase"`, `-without`. The last word counts as a prefix unless something follows it.
 *
 * ```ts
 * parseQuery("big \"domestic dog\" -cat ca")
 * // => { words: ["big"], phrases: ["domestic dog"], without: ["cat"], prefix: "ca" }
 * ```
 */
export const parseQuery = (text: string): SearchTerms => {
  const words: Array<string> = []
  const phrases: Array<string> = []
  const without: Array<string> = []
  let lastIsWord = false
  // No store holds a NUL or half a character, so nothing can be looked for by one.
  const searched = text.replace(/\0|\p{Surrogate}/gu, " ")
  for (const [, minusQuoted = "", quoted, minus = "", bare] of searched.matchAll(token)) {
    const term = (quoted ?? bare ?? "").trim()
    if (!searchable.test(term)) continue
    const excluded = (quoted === undefined ? minus : minusQuoted) === "-"
    lastIsWord = quoted === undefined && !excluded
    ;(excluded ? without : quoted === undefined ? words : phrases).push(term)
  }
  const prefix = lastIsWord && !/\s$/u.test(searched) ? words.pop() ?? null : null
  return { words, phrases, without, prefix }
}

export const termCount = (terms: SearchTerms): number =>
  terms.words.length + terms.phrases.length + terms.without.length + (terms.prefix === null ? 0 : 1)

/** There is something to look for, and not only something to leave out. */
export const isSearchable = (terms: SearchTerms): boolean =>
  terms.words.length + terms.phrases.length > 0 || terms.prefix !== null
