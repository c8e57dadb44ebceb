/** Finds a tag by what people call it. */
import { Context, type Effect } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"

export class TagNames extends Context.Service<TagNames, {
  readonly idOf: (name: string) => Effect.Effect<EntityId | undefined, StoreUnavailable>
}>()("wordloom/catalog/TagNames") {}
