/** One committed change of one entity: what the outbox carries and the chronicle tells. */
import { Equal, Schema } from "effect"
import { type EntityId, EntityKind, type FieldsOf } from "./Entity.ts"
import { excerpt } from "./Text.ts"

export const Operation = Schema.Literals(["upsert", "delete"])
export type Operation = typeof Operation.Type

/** What a row of an outbox may tell of: an entity, or a session in which something was said. */
export const Subject = Schema.Literals([...EntityKind.literals, "session"])
export type Subject = typeof Subject.Type

/** Only the realtime outbox has rows of sessions; another that finds one has a bug. */
export const entityKindOf = (subject: Subject): EntityKind => {
  if (subject === "session") throw new Error("a session is told of to realtime only")
  return subject
}

/** Long values are cut: the chronicle tells what changed, it is not a backup. */
const valueMax = 256

const Value = Schema.NullOr(Schema.Union([Schema.String, Schema.Number, Schema.Array(Schema.String)]))
export const FieldChange = Schema.Struct({ field: Schema.String, from: Value, to: Value })
export type FieldChange = typeof FieldChange.Type

export interface Change {
  readonly kind: Subject
  readonly id: EntityId
  /** Of a session: the number of what was said. */
  readonly version: number
  readonly op: Operation
  /** The library that a block is in, also when it is not this that has changed. */
  readonly libraryId: EntityId | null
  readonly fields: ReadonlyArray<FieldChange>
}

const shown = (value: unknown): FieldChange["from"] =>
  typeof value === "string"
    ? excerpt(value, valueMax)
    : Array.isArray(value)
    ? value.map(String)
    : typeof value === "number"
    ? value
    : null

type Fields = Partial<FieldsOf[EntityKind]>

/**
 * The fields of `after` that differ from `before`; a member that `after` lacks is unchanged.
 *
 * ```ts
 * differences({ name: "draft" }, { name: "final" })
 * // => [{ field: "name", from: "draft", to: "final" }]
 * ```
 */
export const differences = (before: Fields, after: Fields): ReadonlyArray<FieldChange> =>
  Object.entries(after).flatMap(([field, to]) => {
    const from = (before as Record<string, unknown>)[field]
    return Equal.equals(from, to) ? [] : [{ field, from: shown(from), to: shown(to) }]
  })

/** Every field of a removed entity, with nothing in its place. */
export const removed = (before: Fields): ReadonlyArray<FieldChange> =>
  Object.entries(before).map(([field, from]) => ({ field, from: shown(from), to: null }))
