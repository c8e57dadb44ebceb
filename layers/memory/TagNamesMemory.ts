/** Tag names, looked for among the store's tags. */
import { Effect, HashMap, Layer } from "effect"
import { TagNames } from "../../src/catalog/TagNames.ts"
import { Store } from "./StoreMemory.ts"

export const layer = Layer.effect(
  TagNames,
  Effect.map(Store, (store) =>
    TagNames.of({
      idOf: (name) =>
        Effect.map(store.read, ({ entities }) => HashMap.toValues(entities.tag).find((tag) => tag.name === name)?.id)
    }))
)
