/** The product's stores in memory, as one database that all processes of a simulation share. */
import { Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import * as ChronicleMemory from "../../layers/memory/ChronicleMemory.ts"
import * as EntityStoreMemory from "../../layers/memory/EntityStoreMemory.ts"
import * as FanOutsMemory from "../../layers/memory/FanOutsMemory.ts"
import * as HeartbeatsMemory from "../../layers/memory/HeartbeatsMemory.ts"
import * as LeasesMemory from "../../layers/memory/LeasesMemory.ts"
import * as OutboxMemory from "../../layers/memory/OutboxMemory.ts"
import * as OutboxReportMemory from "../../layers/memory/OutboxReportMemory.ts"
import * as ProjectionControlMemory from "../../layers/memory/ProjectionControlMemory.ts"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import * as SearchSourceMemory from "../../layers/memory/SearchSourceMemory.ts"
import { layerTransaction, Store } from "../../layers/memory/StoreMemory.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { Outbox } from "../../src/outbox/Outbox.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { secureRandom } from "./Chance.ts"
import type { World } from "./World.ts"

/** The outbox as the API has it: a write whose rows cannot be left must not remain either. */
const outbox = (world: World) =>
  Layer.effect(
    Outbox,
    Effect.map(Outbox, (real) =>
      Outbox.of({
        ...real,
        append: (changes) =>
          Effect.suspend(() => {
            const { appendFails } = world.api
            world.api.appendFails = false
            return appendFails ? Effect.fail(new StoreUnavailable({ cause: "simulated" })) : real.append(changes)
          })
      }))
  ).pipe(Layer.provide(OutboxMemory.layer))

const ports = Layer.mergeAll(
  layerTransaction,
  EntityStoreMemory.layer,
  FanOutsMemory.layer,
  SearchSourceMemory.layer,
  ChronicleMemory.layer,
  OutboxReportMemory.layer,
  LeasesMemory.layer,
  HeartbeatsMemory.layer,
  ProjectionControlMemory.layer
)

export const layer = (world: World) =>
  Catalog.layer.pipe(
    Layer.provideMerge(Layer.merge(ports, outbox(world))),
    Layer.provideMerge(Store.layer),
    Layer.provideMerge(SearchIndexMemory.layer),
    Layer.provide(Layer.sync(SecureRandom.SecureRandom, () => secureRandom(world.chance("ids"), world.options.lanes)))
  )

export type Stores = Layer.Success<ReturnType<typeof layer>>
