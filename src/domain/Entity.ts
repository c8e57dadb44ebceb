/** What the product keeps: tags, libraries and blocks, each under an id and a version. */
import { Schema, SchemaTransformation } from "effect"
import { text } from "./Text.ts"

export const EntityKind = Schema.Literals(["tag", "library", "block"])
export type EntityKind = typeof EntityKind.Type

/** A UUID in lower case, as PostgreSQL prints it. Ours are UUIDv7, so they sort by creation. */
export const EntityId = Schema.String.pipe(
  Schema.decode(SchemaTransformation.toLowerCase()),
  Schema.check(Schema.isPattern(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, { message: "must be a UUID" })),
  Schema.brand("EntityId")
)
export type EntityId = typeof EntityId.Type

/** Starts at 1 and grows by one with every change, under the row's lock. */
export const Version = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2_147_483_647 }))

const tagIdsMax = 64

export const TagFields = Schema.Struct({
  name: text(1, 200),
  color: Schema.String.check(Schema.isPattern(/^#[0-9A-Fa-f]{6}$/, { message: "must be a colour such as #1E90FF" }))
})

export const LibraryFields = Schema.Struct({ name: text(1, 200) })

export const BlockFields = Schema.Struct({
  library_id: EntityId,
  title: text(1, 500),
  /** At most what fits into the API's body limit with room for the rest. */
  body: text(0, 100_000),
  tag_ids: Schema.Array(EntityId).check(Schema.isMaxLength(tagIdsMax), Schema.isUnique())
})

/** What a person may set, by kind. The same words name the column, the value and the JSON member. */
export interface FieldsOf {
  readonly tag: typeof TagFields.Type
  readonly library: typeof LibraryFields.Type
  readonly block: typeof BlockFields.Type
}
export const fieldsOf = { tag: TagFields, library: LibraryFields, block: BlockFields } as const

const record = { version: Version, created_at: Schema.DateTimeUtc, updated_at: Schema.DateTimeUtc }
export const Tag = Schema.Struct({ id: EntityId, ...TagFields.fields, ...record })
export const Library = Schema.Struct({ id: EntityId, ...LibraryFields.fields, ...record })
export const Block = Schema.Struct({ id: EntityId, ...BlockFields.fields, ...record })

export interface EntityOf {
  readonly tag: typeof Tag.Type
  readonly library: typeof Library.Type
  readonly block: typeof Block.Type
}
export const entityOf = { tag: Tag, library: Library, block: Block } as const
export type Entity = EntityOf[EntityKind]
