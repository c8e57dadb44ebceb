/** `wordloom import`: blocks from a file, through the catalog, in batches that can be gone on with. */
import { DateTime, Effect, Layer, Result, Schema } from "effect"
import * as Path from "node:path"
import * as EntityStorePostgres from "../../../layers/postgres/EntityStorePostgres.ts"
import * as FanOutsPostgres from "../../../layers/postgres/FanOutsPostgres.ts"
import * as ImportProgressPostgres from "../../../layers/postgres/ImportProgressPostgres.ts"
import * as OutboxPostgres from "../../../layers/postgres/OutboxPostgres.ts"
import { layerTransaction } from "../../../layers/postgres/PostgresClient.ts"
import * as TagNamesPostgres from "../../../layers/postgres/TagNamesPostgres.ts"
import * as OpenTelemetry from "../../../layers/telemetry/OpenTelemetry.ts"
import { Catalog } from "../../../src/catalog/Catalog.ts"
import { LibraryFields } from "../../../src/domain/Entity.ts"
import { Imports, type Outcome } from "../../../src/import/Imports.ts"
import * as Backend from "./Backend.ts"
import { failure, wrongUsage } from "./ExitCode.ts"
import * as ImportFile from "./ImportFile.ts"
import * as ImportMeter from "./ImportMeter.ts"
import * as Output from "./Output.ts"
import * as RejectReport from "./RejectReport.ts"

interface Input {
  readonly file: string
  readonly library: string | undefined
  readonly rejects: string | undefined
  readonly again: boolean
  readonly json: boolean
}

const layer = Imports.layer.pipe(
  Layer.provide(Catalog.layer),
  Layer.provide([
    EntityStorePostgres.layer,
    FanOutsPostgres.layer,
    OutboxPostgres.layer,
    TagNamesPostgres.layer,
    ImportProgressPostgres.layer
  ]),
  Layer.provide(layerTransaction),
  Layer.provideMerge(OpenTelemetry.layer(Backend.serviceName)),
  Layer.provideMerge(Backend.layer)
)

const nameOf = (input: Input) => {
  const name = input.library ?? Path.basename(input.file, Path.extname(input.file))
  return Result.match(Schema.decodeUnknownResult(LibraryFields.fields.name)(name), {
    onSuccess: (checked) => Effect.succeed({ name: checked, asked: input.library !== undefined }),
    onFailure: () =>
      Effect.fail(
        wrongUsage(
          input.library === undefined
            ? "the file's name does not do for a library's: say --library NAME"
            : "--library must be a name of 1 to 200 characters"
        )
      )
  })
}

const number = (value: number) => value.toLocaleString("en")

const summaryOf = (file: string, { before, from, record, to }: Outcome, seconds: number) => ({
  file,
  sha256: record.sha256,
  library: record.library,
  status: before ? "already_imported" : "imported",
  resumed_at_line: before || from.nextLine === 1 ? null : from.nextLine,
  lines: to.nextLine - 1,
  imported: to.imported,
  rejected: to.rejected,
  blank: to.blank,
  seconds: Math.round(seconds * 1_000) / 1_000,
  blocks_per_second: Math.round((to.imported - from.imported) / Math.max(seconds, 0.001))
})
type Summary = ReturnType<typeof summaryOf>

const told = (summary: Summary, { before, from, record }: Outcome): string => {
  const { blank, blocks_per_second, file, imported, lines, rejected, seconds } = summary
  const counts = `${number(lines)} lines, ${number(imported)} imported, ${number(rejected)} rejected` +
    (blank === 0 ? "" : `, ${number(blank)} blank`)
  if (before) {
    const at = record.finishedAt === null ? "" : ` at ${DateTime.formatIso(record.finishedAt)}`
    return `${file} was imported already${at}: ${counts}. --again imports it anew.`
  }
  const earlier = from.nextLine === 1 ? "" : ` (${number(from.imported)} of them before)`
  return `${file}: ${counts}${earlier}; ${seconds.toFixed(1)} s, ${number(blocks_per_second)} blocks/s`
}

const imported = Effect.fnUntraced(function*(
  input: Input,
  library: { readonly name: string; readonly asked: boolean },
  file: ImportFile.ImportFile
) {
  const meter = ImportMeter.make(file.name, Number(file.mark.size))
  const report = yield* RejectReport.make(input.rejects, file, meter.say)
  const imports = yield* Imports
  const sha256 = yield* ImportFile.sha256Of(file, meter.checking)
  let begun = false
  const outcome = yield* imports.run({ sha256, library, read: ImportFile.read(file) }, {
    again: input.again,
    onBegin: ({ standing }) =>
      Effect.gen(function*() {
        const { nextLine } = standing
        if (nextLine > 1) yield* meter.say(`${file.name}: resuming at line ${nextLine}`)
        yield* report.begin(nextLine)
        yield* meter.begin(standing)
        begun = true
      }),
    onReject: report.add,
    onMove: meter.move
  }).pipe(
    Effect.onExit((exit) =>
      exit._tag === "Success" || !begun
        ? meter.end
        : meter.say(`${file.name}: stopped before its end; the same command goes on with it`)
    ),
    Effect.catchTag("LibraryDiffers", (error) => Effect.fail(wrongUsage(error.message)))
  )
  yield* report.end
  return outcome
})

export const run = Effect.fnUntraced(function*(input: Input) {
  const began = performance.now()
  const file = yield* ImportFile.opened(input.file)
  const library = yield* nameOf(input)
  const outcome = yield* imported(input, library, file).pipe(Effect.provide(layer))
  const summary = summaryOf(file.name, outcome, (performance.now() - began) / 1_000)
  yield* input.json ? Output.printJson(summary) : Output.print(told(summary, outcome))
  if (!outcome.before && summary.imported === 0 && summary.rejected > 0) {
    return yield* failure("no line could be imported")
  }
}, Effect.scoped)
