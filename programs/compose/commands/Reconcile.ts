/** `wordloom reconcile`: what the search index says otherwise than the entities, and its repair. */
import { Effect, Layer } from "effect"
import * as OutboxPostgres from "../../../layers/postgres/OutboxPostgres.ts"
import { layerTransaction } from "../../../layers/postgres/PostgresClient.ts"
import * as ReconcileStorePostgres from "../../../layers/postgres/ReconcileStorePostgres.ts"
import * as SearchSourcePostgres from "../../../layers/postgres/SearchSourcePostgres.ts"
import * as OpenTelemetry from "../../../layers/telemetry/OpenTelemetry.ts"
import { type Outcome, reconcile } from "../../../src/reconcile/Reconcile.ts"
import { type Drift, DriftClass, driftCount, type Totals } from "../../../src/search/Drift.ts"
import { SearchIndex } from "../../../src/search/SearchIndex.ts"
import { SearchSource } from "../../../src/search/SearchSource.ts"
import * as SearchEngine from "../SearchEngine.ts"
import * as Backend from "./Backend.ts"
import { failure, unreachable } from "./ExitCode.ts"
import * as Meter from "./Meter.ts"
import * as Output from "./Output.ts"

interface Input {
  readonly repair: boolean
  readonly json: boolean
}

const layer = Layer.mergeAll(
  OutboxPostgres.layer,
  SearchSourcePostgres.layer,
  ReconcileStorePostgres.layer,
  SearchEngine.layer
).pipe(
  Layer.provideMerge(layerTransaction),
  Layer.provideMerge(OpenTelemetry.layer(Backend.serviceName)),
  Layer.provideMerge(Backend.layer)
)

/** Of each class so many are shown; all are counted. */
const shownMax = 20

const { clock, number } = Meter

const facts = (all: number, totals: Totals, elapsed: number): Meter.Facts => {
  const done = all === 0 ? 1 : Math.min(1, totals.entities / all)
  const speed = totals.entities / Math.max(elapsed, 0.001)
  const left = speed === 0 ? "" : `, ${clock(Math.max(0, all - totals.entities) / speed)} left`
  return {
    done,
    text: `${Math.floor(done * 100)} %, ${number(totals.entities)} entities, ${number(speed)} entities/s${left}, ` +
      `${number(driftCount(totals))} differ`
  }
}

const isShown = (shown: ReadonlyArray<Drift>) => ({ class: name }: Drift) =>
  shown.filter((drift) => drift.class === name).length < shownMax

const compared = Effect.fnUntraced(function*(repair: boolean) {
  const all = yield* SearchSource.use(({ count }) => count)
  const meter = Meter.make("reconcile")
  const began = performance.now()
  const shown: Array<Drift> = []
  yield* meter.begin
  const outcome = yield* reconcile({
    repair,
    onPart: (drifts, totals) => {
      for (const drift of drifts) if (isShown(shown)(drift)) shown.push(drift)
      return meter.move((elapsed) => facts(all, totals, elapsed))
    }
  }).pipe(Effect.ensuring(meter.end))
  const { engine } = yield* SearchIndex
  return { engine, outcome, shown, seconds: (performance.now() - began) / 1_000 }
})

type Compared = Effect.Success<ReturnType<typeof compared>>

const revisionOf = (entry: Drift["expected"]) =>
  entry === undefined ? "-" : `${entry.version}.${entry.revision - entry.version}${entry.deleted ? " removed" : ""}`

const colorOf = { missing: Output.red, stale: Output.yellow, orphaned: Output.yellow } as const

const columns: ReadonlyArray<Output.Column<Drift>> = [
  { title: "DRIFT", text: ({ class: name }) => name, color: ({ class: name }) => colorOf[name] },
  { title: "ENTITY", text: ({ id, kind }) => `${kind}/${id}` },
  { title: "SHOULD BE", text: ({ expected }) => revisionOf(expected) },
  { title: "IS", text: ({ found }) => revisionOf(found) }
]

const told = ({ engine, outcome, seconds, shown }: Compared, { repair }: Input): string => {
  const { beyond, differing, enqueued, entities, ranges, underWay } = outcome
  const all = driftCount(outcome)
  const counts = DriftClass.literals.map((name) => `${number(outcome[name])} ${name}`).join(", ")
  const rest = all - shown.length
  return [
    ...(shown.length === 0 ? [] : [Output.table(columns, shown)]),
    ...(rest === 0 ? [] : [`and ${number(rest)} more`]),
    ...(shown.length === 0 ? [] : [""]),
    `${engine}: ${number(entities)} entities in ${number(ranges)} ranges, of which ${number(differing)} differed; ` +
    `${seconds.toFixed(1)} s`,
    `${all === 0 ? "no drift" : counts}${underWay === 0 ? "" : `; ${number(underWay)} under way, not judged`}`,
    ...(repair && all > 0 ? [`${number(enqueued)} sent again through the outbox`] : []),
    ...(beyond === 0 ? [] : [
      `${number(beyond)} have a revision that nothing of ours can replace: delete these documents by hand`
    ])
  ].join("\n")
}

const entryJson = (entry: Drift["expected"]) =>
  entry === undefined ? null : { version: entry.version, revision: entry.revision, deleted: entry.deleted }

const toJson = ({ engine, outcome, seconds, shown }: Compared) => ({
  engine,
  entities: outcome.entities,
  ranges: outcome.ranges,
  ranges_differing: outcome.differing,
  under_way: outcome.underWay,
  missing: outcome.missing,
  stale: outcome.stale,
  orphaned: outcome.orphaned,
  repaired: outcome.enqueued,
  beyond_repair: outcome.beyond,
  seconds: Math.round(seconds * 1_000) / 1_000,
  examples: shown.map(({ class: name, expected, found, id, kind }) => ({
    drift: name,
    kind,
    id,
    expected: entryJson(expected),
    found: entryJson(found)
  }))
})

const isLeft = (outcome: Outcome, repair: boolean) => repair ? outcome.beyond > 0 : driftCount(outcome) > 0

export const run = Effect.fnUntraced(function*(input: Input) {
  const result = yield* compared(input.repair).pipe(
    Effect.catchTag("SearchUnavailable", ({ detail }) => Effect.fail(unreachable(detail))),
    Effect.provide(layer)
  )
  yield* input.json ? Output.printJson(toJson(result)) : Output.print(told(result, input))
  if (isLeft(result.outcome, input.repair)) return yield* failure("the search index differs from the entities")
})
