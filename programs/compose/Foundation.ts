/** What every program stands on: settings, log lines, random ids, the database and the stores in it. */
import { Effect, Layer, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import * as ChroniclePostgres from "../../layers/postgres/ChroniclePostgres.ts"
import * as DeliveryStatusPostgres from "../../layers/postgres/DeliveryStatusPostgres.ts"
import * as EntityStorePostgres from "../../layers/postgres/EntityStorePostgres.ts"
import * as ExplainPostgres from "../../layers/postgres/ExplainPostgres.ts"
import * as FanOutsPostgres from "../../layers/postgres/FanOutsPostgres.ts"
import * as IdempotencyPostgres from "../../layers/postgres/IdempotencyPostgres.ts"
import * as LeasesPostgres from "../../layers/postgres/LeasesPostgres.ts"
import * as OldestTransaction from "../../layers/postgres/OldestTransaction.ts"
import * as OutboxOverviewPostgres from "../../layers/postgres/OutboxOverviewPostgres.ts"
import * as OutboxPostgres from "../../layers/postgres/OutboxPostgres.ts"
import * as OutboxReportPostgres from "../../layers/postgres/OutboxReportPostgres.ts"
import { layerTransaction } from "../../layers/postgres/PostgresClient.ts"
import * as ProjectionControlPostgres from "../../layers/postgres/ProjectionControlPostgres.ts"
import * as ReconcileStorePostgres from "../../layers/postgres/ReconcileStorePostgres.ts"
import * as SearchBuildsPostgres from "../../layers/postgres/SearchBuildsPostgres.ts"
import * as SearchSourcePostgres from "../../layers/postgres/SearchSourcePostgres.ts"
import * as TagNamesPostgres from "../../layers/postgres/TagNamesPostgres.ts"
import * as TraceSignalsPostgres from "../../layers/postgres/TraceSignalsPostgres.ts"
import * as EventLoopDelay from "../../layers/telemetry/EventLoopDelay.ts"
import * as JsonLogger from "../../layers/telemetry/JsonLogger.ts"
import * as PrometheusReport from "../../layers/telemetry/PrometheusReport.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { type Demand, Settings } from "../../src/settings/Settings.ts"
import * as ProcessGauges from "../../src/telemetry/ProcessGauges.ts"
import { SeriesAlarm } from "../../src/telemetry/SeriesAlarm.ts"
import * as Database from "./Database.ts"
import * as Notices from "./Notices.ts"
import * as SearchEngine from "./SearchEngine.ts"

const stores = Layer.mergeAll(
  EntityStorePostgres.layer,
  FanOutsPostgres.layer,
  TagNamesPostgres.layer,
  ChroniclePostgres.layer,
  OutboxPostgres.layer,
  OutboxReportPostgres.layer,
  OutboxOverviewPostgres.layer,
  DeliveryStatusPostgres.layer,
  ExplainPostgres.layer,
  LeasesPostgres.layer,
  ProjectionControlPostgres.layer,
  ReconcileStorePostgres.layer,
  OldestTransaction.layer,
  SearchSourcePostgres.layer,
  SearchBuildsPostgres.layer,
  TraceSignalsPostgres.layer,
  SearchEngine.layer
)

const ground = (name: string, demand?: Demand) =>
  Layer.mergeAll(Notices.layer, SecureRandom.layerWebCrypto).pipe(
    Layer.provideMerge(Layer.mergeAll(PrometheusReport.layer, EventLoopDelay.layer)),
    Layer.provideMerge(JsonLogger.layer(name, process.stdout.isTTY === true)),
    Layer.provideMerge(Settings.layer(process.env, demand))
  )

/**
 * `name` is the service's name on log lines, and what PostgreSQL shows for its connections. What the program demands of
 * the settings is judged before anything is touched.
 */
export const layer = (name: string, demand?: Demand) =>
  Layer.mergeAll(Catalog.layer, IdempotencyPostgres.layer, ProcessGauges.layer).pipe(
    Layer.provideMerge(SeriesAlarm.layer()),
    Layer.provideMerge(stores),
    Layer.provideMerge(layerTransaction),
    Layer.provideMerge(Database.layer(name)),
    Layer.provideMerge(ground(name, demand))
  )

/** For a program that has no database. */
export const layerWithoutDatabase = (name: string) =>
  ProcessGauges.layer.pipe(Layer.provideMerge(SeriesAlarm.layer()), Layer.provideMerge(ground(name)))

const prepareEvery = "10 seconds"

/**
 * The index is there before anything is written to it. An engine that is away, or an index that must be rebuilt first,
 * is looked at again while writes are refused, so that no worker has to be started anew.
 */
export const preparedIndex = Layer.effectDiscard(
  SearchIndex.use(({ prepare }) =>
    Effect.catch(prepare, (error) =>
      Effect.gen(function*() {
        yield* Effect.logWarning("the search index could not be prepared yet", { engine: error.engine }, error.cause)
        yield* prepare.pipe(
          Effect.delay(prepareEvery),
          Effect.retry(Schedule.forever),
          Effect.withTracerEnabled(false),
          Effect.forkScoped
        )
      }))
  )
)
