/** Keyset pages: a bounded slice and an opaque cursor to the next one. */
import { Schema } from "effect"

export const limitMax = 100
export const limitDefault = 20

/** How many items a page holds. */
export const Limit = Schema.NumberFromString.check(
  Schema.isInt({ message: `must be a whole number from 1 to ${limitMax}` }),
  Schema.isBetween({ minimum: 1, maximum: limitMax }, { message: `must be a whole number from 1 to ${limitMax}` })
)

export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next_cursor: string | null
}

/** The cursor is not one that this query gave out: beginning anew instead would show the first page without end. */
export class CursorInvalid extends Schema.TaggedError<CursorInvalid>("wordloom/domain/CursorInvalid")(
  "CursorInvalid",
  {}
) {
  override get message() {
    return "must be a next_cursor of this query"
  }
}

/** `rows` holds one more than the limit when there is a next page. */
export const toPage = <A>(rows: ReadonlyArray<A>, limit: number, cursorOf: (last: A) => string): Page<A> => {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next_cursor: rows.length > limit && last !== undefined ? cursorOf(last) : null }
}
