/** Where entities are kept. Every method that writes must run inside `Transaction.run`. */
import { Context, type Effect } from "effect"
import type { EntityId, EntityKind, EntityOf, FieldsOf } from "../domain/Entity.ts"
import type { Page } from "../domain/Paging.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import type { EntityNotFound, LibraryNotEmpty, NameTaken, ReferenceMissing } from "./CatalogErrors.ts"

export class EntityStore extends Context.Service<EntityStore, {
  /** The new entities at version 1, in the order given. All of them or none. */
  readonly insert: <K extends EntityKind>(
    kind: K,
    entities: ReadonlyArray<{ readonly id: EntityId; readonly fields: FieldsOf[K] }>
  ) => Effect.Effect<ReadonlyArray<EntityOf[K]>, NameTaken | ReferenceMissing | StoreUnavailable>
  readonly get: <K extends EntityKind>(
    kind: K,
    id: EntityId
  ) => Effect.Effect<EntityOf[K], EntityNotFound | StoreUnavailable>
  /** As `get`, and nobody else changes it before this transaction ends. */
  readonly getForUpdate: <K extends EntityKind>(
    kind: K,
    id: EntityId
  ) => Effect.Effect<EntityOf[K], EntityNotFound | StoreUnavailable>
  /**
   * Keeps the tags that `patch` names from being removed before this transaction ends. Everybody takes tags before
   * blocks, so that no two wait for each other: this comes before `getForUpdate`.
   */
  readonly hold: <K extends EntityKind>(
    kind: K,
    patch: Partial<FieldsOf[K]>
  ) => Effect.Effect<void, ReferenceMissing | StoreUnavailable>
  /** Sets the fields that `patch` has and raises the version by one. */
  readonly update: <K extends EntityKind>(
    kind: K,
    id: EntityId,
    patch: Partial<FieldsOf[K]>
  ) => Effect.Effect<EntityOf[K], NameTaken | ReferenceMissing | StoreUnavailable>
  readonly remove: (kind: EntityKind, id: EntityId) => Effect.Effect<void, LibraryNotEmpty | StoreUnavailable>
  /** Takes the tag off every block that has it, raising their versions; answers those blocks. */
  readonly untag: (tag: EntityId) => Effect.Effect<ReadonlyArray<EntityOf["block"]>, StoreUnavailable>
  /** In the order of their ids, which is the order of their creation. */
  readonly list: <K extends EntityKind>(
    kind: K,
    limit: number,
    after: EntityId | undefined
  ) => Effect.Effect<Page<EntityOf[K]>, StoreUnavailable>
}>()("wordloom/catalog/EntityStore") {}
