/** The few lines of a document that show why it was found. */
import { escaped, excerpt } from "../domain/Text.ts"
import type { SearchDocument } from "./SearchDocument.ts"
import type { SearchTerms } from "./SearchQuery.ts"

/** A run of letters and digits; of a script without spaces, each character. */
const word = /([\p{sc=Han}\p{sc=Hiragana}]|(?:(?![\p{sc=Han}\p{sc=Hiragana}])[\p{L}\p{M}\p{N}])+)/gu
export const wordsOf = (text: string): ReadonlyArray<string> => text.toLowerCase().match(word) ?? []

const snippetMax = 160
/** How many words and gaps lead up to the first word that was found. */
const snippetBefore = 10

/** Around the first word that was found; HTML with everything escaped and what was found in `<mark>`. */
export const snippetOf = (
  { body, title }: Pick<SearchDocument, "body" | "title">,
  { phrases, prefix, words }: SearchTerms
): string => {
  const whole = new Set([...words, ...phrases].flatMap(wordsOf))
  const isFound = (part: string) =>
    whole.has(part.toLowerCase()) || (prefix !== null && part.toLowerCase().startsWith(prefix.toLowerCase()))
  // Split by a captured pattern, every second part is a word.
  const isMarked = (part: string, at: number) => at % 2 === 1 && isFound(part)
  const parts = (body === "" ? title : body).split(word)
  const first = Math.max(0, parts.findIndex(isMarked) - snippetBefore)
  return excerpt(parts.slice(first).join(""), snippetMax)
    .split(word)
    .map((part, at) => isMarked(part, at) ? `<mark>${escaped(part)}</mark>` : escaped(part))
    .join("")
}
