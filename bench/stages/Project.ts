/** How fast changes reach each search engine, beside a bare loop that writes the same documents. */
import type { Finding } from "../Findings.ts"
import type { Usage } from "../Meter.ts"
import { median, shown, spread } from "../Numbers.ts"
import { interleaved } from "../Progress.ts"
import { type Engine, engines, type Library, withLibrary } from "../SearchLibrary.ts"
import type { Stage } from "../Stage.ts"

const batch = 1_000
const concurrency = 2

const ways = ["bare", "outbox"] as const
const kinds = engines.flatMap((engine) => ways.map((way) => ({ engine, way })))

interface Run extends Usage {
  readonly engine: Engine
  readonly way: typeof ways[number]
  readonly round: number
}

const bareNames: Readonly<Record<Engine, string>> = {
  elasticsearch: "bare _bulk",
  postgres: "bare multi-row upsert"
}
/** Of the bare loop's rate. */
const targets: Readonly<Record<Engine, number>> = { elasticsearch: 0.65, postgres: 0.6 }

const measure = async (library: Library, engine: Engine, way: Run["way"], rows: number): Promise<Usage> => {
  await library.empty(engine)
  if (way === "bare") return library.run(engine, ["write", String(rows), String(batch), String(concurrency)])
  await library.fill(rows)
  return library.run(engine, ["project", String(rows)], {
    OUTBOX_BATCH_SIZE: String(batch),
    OUTBOX_CONCURRENCY: String(concurrency)
  })
}

const finding = (runs: ReadonlyArray<Run>, rows: number): Finding => {
  const of = (engine: Engine, way: Run["way"]) => runs.filter((run) => run.engine === engine && run.way === way)
  const ratio = (engine: Engine) =>
    of(engine, "outbox").flatMap((run) => {
      const other = of(engine, "bare").find(({ round }) => round === run.round)
      return other === undefined ? [] : [run.rate / other.rate]
    })
  return {
    stage: "project",
    title: `${shown(rows, 0)} WordNet blocks into a new index, ${batch} × ${concurrency}, all on this machine`,
    head: ["engine", "by", "documents/s", "worker µs", "PG µs", "RSS MB"],
    rows: kinds.map(({ engine, way }) => {
      const middle = (figure: (run: Run) => number) => shown(median(of(engine, way).map(figure)))
      return [
        engine,
        way === "bare" ? bareNames[engine] : "outbox and worker",
        spread(of(engine, way).map(({ rate }) => rate)),
        middle(({ workerUs }) => workerUs),
        middle(({ postgresUs }) => postgresUs ?? Number.NaN),
        middle(({ rssMB }) => rssMB)
      ]
    }),
    figures: engines.map((engine) => ({
      name: `${engine}: outbox ÷ ${bareNames[engine]}`,
      values: ratio(engine),
      atLeast: targets[engine]
    })),
    notes: ["the bare loops have their documents in memory; the worker claims, loads, writes and settles"],
    runs
  }
}

export const project: Stage = {
  peers: () => [],
  run: ({ options, progress, server }) =>
    withLibrary(server, progress, async (library) => {
      const rows = options.rows ?? (options.quick ? 20_000 : 100_000)
      const plan = interleaved(options.rounds, kinds)
      const runs: Array<Run> = []
      for (const [at, { round, thing: { engine, way } }] of plan.entries()) {
        progress.step(at, plan.length, `${engine} ${way}`)
        runs.push({ engine, way, round, ...await measure(library, engine, way, rows) })
      }
      return finding(runs, rows)
    })
}
