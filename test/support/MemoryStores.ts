/** Every port of the product over one store in memory; its clock is the test clock. */
import { Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { TestClock } from "effect/testing"
import * as ChronicleMemory from "../../layers/memory/ChronicleMemory.ts"
import * as DeliveryStatusMemory from "../../layers/memory/DeliveryStatusMemory.ts"
import * as EntityStoreMemory from "../../layers/memory/EntityStoreMemory.ts"
import * as FanOutsMemory from "../../layers/memory/FanOutsMemory.ts"
import * as HeartbeatsMemory from "../../layers/memory/HeartbeatsMemory.ts"
import * as IdempotencyMemory from "../../layers/memory/IdempotencyMemory.ts"
import * as InFlightMemory from "../../layers/memory/InFlightMemory.ts"
import * as LeasesMemory from "../../layers/memory/LeasesMemory.ts"
import * as OutboxMemory from "../../layers/memory/OutboxMemory.ts"
import * as OutboxOverviewMemory from "../../layers/memory/OutboxOverviewMemory.ts"
import * as OutboxReportMemory from "../../layers/memory/OutboxReportMemory.ts"
import * as PresenceMemory from "../../layers/memory/PresenceMemory.ts"
import * as ProjectionControlMemory from "../../layers/memory/ProjectionControlMemory.ts"
import * as ReconcileStoreMemory from "../../layers/memory/ReconcileStoreMemory.ts"
import * as SearchBuildsMemory from "../../layers/memory/SearchBuildsMemory.ts"
import * as SearchSourceMemory from "../../layers/memory/SearchSourceMemory.ts"
import * as SessionsMemory from "../../layers/memory/SessionsMemory.ts"
import { empty, layerTransaction, Store } from "../../layers/memory/StoreMemory.ts"
import * as TagNamesMemory from "../../layers/memory/TagNamesMemory.ts"
import * as TraceSignalsMemory from "../../layers/memory/TraceSignalsMemory.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { Backstage } from "./Backstage.ts"

const backstage = Layer.effect(
  Backstage,
  Effect.map(Store, (store) =>
    Backstage.of({
      clear: Effect.orDie(store.run(store.write(empty))),
      passTime: TestClock.adjust,
      attempts: Effect.map(store.read, ({ attempts }) =>
        attempts.map(({ attempt, errorType: error_type, id, outcome, projection, worker }) => ({
          projection,
          id,
          attempt,
          worker,
          outcome,
          error_type
        })))
    }))
)

const stores = Layer.mergeAll(
  layerTransaction,
  EntityStoreMemory.layer,
  FanOutsMemory.layer,
  SearchSourceMemory.layer,
  SearchBuildsMemory.layer,
  InFlightMemory.layer,
  TagNamesMemory.layer,
  ChronicleMemory.layer,
  OutboxMemory.layer,
  OutboxReportMemory.layer,
  OutboxOverviewMemory.layer,
  DeliveryStatusMemory.layer,
  LeasesMemory.layer,
  HeartbeatsMemory.layer,
  ProjectionControlMemory.layer,
  IdempotencyMemory.layer,
  ReconcileStoreMemory.layer,
  SessionsMemory.layer,
  PresenceMemory.layer,
  TraceSignalsMemory.layer,
  backstage
)

export const layer = Catalog.layer.pipe(
  Layer.provideMerge(stores),
  Layer.provideMerge(Store.layer),
  Layer.provideMerge(SecureRandom.layerWebCrypto)
)
