/** The product's stores in memory, as one database that all processes of a simulation share. */
import { Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import * as ChronicleMemory from "../../layers/memory/ChronicleMemory.ts"
import * as EntityStoreMemory from "../../layers/memory/EntityStoreMemory.ts"
import * as HeartbeatsMemory from "../../layers/memory/HeartbeatsMemory.ts"
import * as LeasesMemory from "../../layers/memory/LeasesMemory.ts"
import * as OutboxMemory from "../../layers/memory/OutboxMemory.ts"
import * as OutboxReportMemory from "../../layers/memory/OutboxReportMemory.ts"
import * as ProjectionControlMemory from "../../layers/memory/ProjectionControlMemory.ts"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import { layerTransaction, Store } from "../../layers/memory/StoreMemory.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { secureRandom } from "./Chance.ts"
import type { World } from "./World.ts"

const ports = Layer.mergeAll(
  layerTransaction,
  EntityStoreMemory.layer,
  ChronicleMemory.layer,
  OutboxMemory.layer,
  OutboxReportMemory.layer,
  LeasesMemory.layer,
  HeartbeatsMemory.layer,
  ProjectionControlMemory.layer
)

export const layer = (world: World) =>
  Catalog.layer.pipe(
    Layer.provideMerge(ports),
    Layer.provideMerge(Store.layer),
    Layer.provideMerge(SearchIndexMemory.layer),
    Layer.provide(Layer.sync(SecureRandom.SecureRandom, () => secureRandom(world.chance("ids"), world.options.lanes)))
  )

export type Stores = Layer.Success<ReturnType<typeof layer>>
