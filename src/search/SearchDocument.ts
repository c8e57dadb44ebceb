/** What the search index keeps of an entity. */
import type { EntityId, EntityKind } from "../domain/Entity.ts"

export interface SearchDocument {
  readonly title: string
  readonly body: string
  readonly library_id: EntityId | null
  readonly tag_ids: ReadonlyArray<EntityId>
  /** What a block's library and tags are called: it is found by these names too. */
  readonly library: string | null
  /** In the order of `tag_ids`. */
  readonly tags: ReadonlyArray<string>
}

/**
 * One state of one entity for the index. A removal is written too, as a tombstone without a document: an index that
 * merely forgets would take a late, older state for a new one.
 */
export interface IndexWrite {
  readonly kind: EntityKind
  readonly id: EntityId
  readonly version: number
  /**
   * Orders the states of one entity: grows with its version, and also when only what it shows of others has changed.
   * A document of a revision shows at least what was committed when that revision was given.
   */
  readonly revision: number
  readonly document: SearchDocument | null
}
