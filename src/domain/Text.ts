/** Text that people type: trimmed, bounded, and safe to store in any of our stores. */
import { Schema } from "effect"

/** PostgreSQL's `text` refuses NUL; UTF-8 cannot carry half a surrogate pair. */
export const storable = Schema.makeFilter<string>((value) =>
  value.includes("\0")
    ? "must not contain a NUL character"
    : value.isWellFormed()
    ? undefined
    : "must not contain half a surrogate pair"
)

/** Between `min` and `max` UTF-16 code units after trimming. */
export const text = (min: number, max: number) => Schema.Trim.check(Schema.isBetweenLength(min, max), storable)

/** Cuts to at most `max` code units without splitting a character; `…` marks the cut. */
export const excerpt = (value: string, max: number): string => {
  if (value.length <= max) return value
  const cut = value.slice(0, max - 1)
  return `${cut.isWellFormed() ? cut : cut.slice(0, -1)}…`
}

/** For HTML and for SVG, between tags and in attributes. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
