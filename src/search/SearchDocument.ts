/** What the search index keeps of an entity. */
import type { EntityId, EntityKind, EntityOf } from "../domain/Entity.ts"

export interface SearchDocument {
  readonly title: string
  readonly body: string
  readonly library_id: EntityId | null
  readonly tag_ids: ReadonlyArray<EntityId>
}

/**
 * One version of one entity for the index. A removal is written too, as a tombstone without a document: an index that
 * merely forgets would take a late, older version for a new one.
 */
export interface IndexWrite {
  readonly kind: EntityKind
  readonly id: EntityId
  readonly version: number
  readonly document: SearchDocument | null
}

const documents: { readonly [K in EntityKind]: (entity: EntityOf[K]) => SearchDocument } = {
  tag: ({ name }) => ({ title: name, body: "", library_id: null, tag_ids: [] }),
  library: ({ name }) => ({ title: name, body: "", library_id: null, tag_ids: [] }),
  block: ({ body, library_id, tag_ids, title }) => ({ title, body, library_id, tag_ids })
}

export const documentOf = <K extends EntityKind>(kind: K, entity: EntityOf[K]): SearchDocument =>
  documents[kind](entity)
