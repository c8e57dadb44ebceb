/** `wordloom reindex`: another generation of the search index, made beside the live one and put in its place. */
import { Effect, Layer } from "effect"
import * as InFlightPostgres from "../../../layers/postgres/InFlightPostgres.ts"
import * as SearchBuildsPostgres from "../../../layers/postgres/SearchBuildsPostgres.ts"
import * as SearchSourcePostgres from "../../../layers/postgres/SearchSourcePostgres.ts"
import * as Reindex from "../../../src/search/Reindex.ts"
import type { Build } from "../../../src/search/SearchBuilds.ts"
import * as SearchEngine from "../SearchEngine.ts"
import * as Backend from "./Backend.ts"
import { failure, unreachable, wrongUsage } from "./ExitCode.ts"
import * as Meter from "./Meter.ts"
import * as Output from "./Output.ts"

export interface Input {
  readonly rollback: boolean
  readonly dropOld: boolean
  readonly abandon: boolean
  readonly json: boolean
}

const layer = Layer.mergeAll(
  SearchBuildsPostgres.layer,
  SearchSourcePostgres.layer,
  InFlightPostgres.layer,
  SearchEngine.layer
).pipe(Layer.provideMerge(Backend.layer))

const { clock, number } = Meter

const facts = (from: number, written: number, entities: number, elapsed: number): Meter.Facts => {
  const done = entities === 0 ? 1 : Math.min(1, written / entities)
  const speed = (written - from) / Math.max(elapsed, 0.001)
  const left = speed === 0 ? "" : `, ${clock(Math.max(0, entities - written) / speed)} left`
  return {
    done,
    text: `${Math.floor(done * 100)} %, ${number(written)} of ${number(entities)} entities, ${number(speed)}/s${left}`
  }
}

/** What is live now, and what can be done about it. */
const standing = ({ follows, generation, previous }: Build) => ({ live: generation, kept: previous, rollback: follows })

const told = ({ follows, previous }: Build) => [
  follows
    ? `kept: ${previous}, which gets every write too; ` +
      "\"node programs/wordloom.js reindex --rollback\" goes back to it at once"
    : `kept: ${previous}, as it was; it has another form than this version writes, so there is no way back to it`,
  "\"node programs/wordloom.js reindex --drop-old\" drops it, and so does the next rebuild"
]

const rebuild = Effect.fnUntraced(function*({ json }: Input) {
  const meter = Meter.make("reindex")
  let from = 0
  let entities = 0
  let began = performance.now()
  const build = yield* Reindex.reindex({
    onFill: (build, count) =>
      Effect.gen(function*() {
        from = build.written
        entities = count
        began = performance.now()
        const how = from === 0 ? "building" : `going on at ${number(from)} of ${number(count)} entities with`
        yield* meter.say(`reindex: ${how} ${build.generation}; ${build.previous} stays live`)
        yield* meter.begin
      }),
    onPage: ({ written }) => meter.move((elapsed) => facts(from, written, entities, elapsed)),
    onStep: (step) => meter.say(`reindex: ${step}`)
  }).pipe(Effect.ensuring(meter.end))
  const seconds = (performance.now() - began) / 1_000
  const rate = (build.written - from) / Math.max(seconds, 0.001)
  if (json) {
    const counts = { entities: build.written, resumed_at: from, seconds, entities_per_second: Math.round(rate) }
    return yield* Output.printJson({ ...standing(build), ...counts })
  }
  const earlier = from === 0 ? "" : ` (${number(from)} of them before)`
  const how = `${number(build.written)} entities${earlier}, ${seconds.toFixed(1)} s, ${number(rate)} entities/s`
  yield* Output.print([`live: ${build.generation} (${how})`, ...told(build)].join("\n"))
})

const rollBack = Effect.fnUntraced(function*({ json }: Input) {
  const build = yield* Reindex.rollback
  yield* json
    ? Output.printJson(standing(build))
    : Output.print([`live: ${build.generation}`, ...told(build)].join("\n"))
})

const drop = (dropping: typeof Reindex.dropOld, nothing: string) => ({ json }: Input) =>
  Effect.flatMap(dropping, (dropped) =>
    json
      ? Output.printJson({ dropped: dropped ?? null })
      : Output.print(dropped === undefined ? nothing : `dropped: ${dropped}`))

const chosen = ({ abandon, dropOld, rollback }: Input) => {
  if ([abandon, dropOld, rollback].filter(Boolean).length > 1) {
    return Effect.fail(wrongUsage("--rollback, --drop-old and --abandon are three commands: say one of them"))
  }
  return Effect.succeed(
    rollback
      ? rollBack
      : dropOld
      ? drop(Reindex.dropOld, "nothing is kept, so there is nothing to drop")
      : abandon
      ? drop(Reindex.abandon, "nothing is being built, so there is nothing to abandon")
      : rebuild
  )
}

const again = "run the same command again to go on"

export const run = Effect.fnUntraced(function*(input: Input) {
  const command = yield* chosen(input)
  yield* command(input).pipe(
    Effect.catchTags({
      SearchUnavailable: ({ detail }) => Effect.fail(unreachable(detail)),
      BuildRunning: (error) => Effect.fail(failure(error.message)),
      BuildMoved: (error) => Effect.fail(failure(error.message)),
      NotNow: (error) => Effect.fail(failure(error.message)),
      GenerationDiffers: (error) => Effect.fail(failure(`${error.message}; what is live was not touched: ${again}`)),
      WritesRefused: (error) => Effect.fail(failure(`${error.message}; what is live was not touched: ${again}`))
    }),
    Effect.provide(layer)
  )
})
