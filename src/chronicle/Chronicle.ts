/** Who changed what, when, in which request and trace: one entry per version of an entity. */
import { Context, type Effect, Schema } from "effect"
import { FieldChange, Operation } from "../domain/Change.ts"
import { EntityId, EntityKind, Version } from "../domain/Entity.ts"
import type { CursorInvalid, Page } from "../domain/Paging.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"

export const ChronicleEntry = Schema.Struct({
  entity_type: EntityKind,
  entity_id: EntityId,
  version: Version,
  op: Operation,
  actor: Schema.String,
  changes: Schema.Array(FieldChange),
  /** When the change was committed. */
  at: Schema.DateTimeUtc,
  request_id: Schema.NullOr(Schema.String),
  trace_id: Schema.NullOr(Schema.String)
})
export type ChronicleEntry = typeof ChronicleEntry.Type

export class Chronicle extends Context.Service<Chronicle, {
  /** Adds what is not there yet; answers, in their order, which were new. */
  readonly append: (
    entries: ReadonlyArray<ChronicleEntry>
  ) => Effect.Effect<ReadonlyArray<boolean>, StoreUnavailable>
  /** Newest first, of one entity or overall. */
  readonly read: (
    filter: { readonly entity_type?: EntityKind | undefined; readonly entity_id?: EntityId | undefined },
    limit: number,
    cursor: string | undefined
  ) => Effect.Effect<Page<ChronicleEntry>, StoreUnavailable | CursorInvalid>
}>()("wordloom/chronicle/Chronicle") {}
