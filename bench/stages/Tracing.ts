/** What the spans of an attempt cost a worker that is never short of work. */
import { start } from "../Children.ts"
import type { Finding } from "../Findings.ts"
import { median, shown, spread } from "../Numbers.ts"
import type { Drained, Peer } from "../Peers.ts"
import { interleaved } from "../Progress.ts"
import type { Stage } from "../Stage.ts"

interface Mode {
  readonly name: "off" | "10 %" | "100 %"
  /** Of a hundred rows, how many belong to a sampled trace. */
  readonly sampled?: number
}

const modes: ReadonlyArray<Mode> = [{ name: "off" }, { name: "10 %", sampled: 10 }, { name: "100 %", sampled: 100 }]

interface Run extends Drained {
  readonly round: number
  readonly mode: Mode["name"]
  readonly exported: number
  readonly exportedMB: number
}

/** What V8 compiles at first is no cost of a worker that runs for days, and weighs more the more code there is. */
const warm = 10_000

const measure = async (peer: Peer, rows: number, { sampled }: Mode) => {
  await peer.fill(rows, sampled)
  const warmed = { BENCH_WARM_ROWS: String(Math.min(warm, rows / 2)) }
  if (sampled === undefined) return { ...(await peer.drain({ rows, env: warmed })), exported: 0, exportedMB: 0 }
  const sink = start({ file: "OtlpSink.ts", args: [], env: {}, timeoutMs: 180_000 })
  try {
    const port = await sink.ready
    const drained = await peer.drain({
      rows,
      env: {
        ...warmed,
        WORDLOOM_TRACING: "export",
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG: String(sampled / 100)
      }
    })
    sink.tell()
    const { bytes, spans } = await sink.result
    return { ...drained, exported: spans, exportedMB: bytes / 1e6 }
  } finally {
    sink.tell()
    await sink.result.catch(() => {})
  }
}

const finding = (runs: ReadonlyArray<Run>, rows: number): Finding => {
  const of = (name: Mode["name"]) => runs.filter(({ mode }) => mode === name)
  const ratio = (name: Mode["name"]) =>
    of(name).flatMap((run) => {
      const off = of("off").find(({ round }) => round === run.round)
      return off === undefined ? [] : [run.rate / off.rate]
    })
  const middle = (name: Mode["name"], figure: (run: Run) => number, decimals: number) =>
    shown(median(of(name).map(figure)), decimals)
  return {
    stage: "tracing",
    title: `${shown(rows, 0)} ready rows, a handler that does nothing, spans over OTLP to a collector that only counts`,
    head: ["sampled", "rows/s", "÷ off", "worker µs", "PG µs", "spans exported", "dropped", "exported MB", "RSS MB"],
    rows: modes.map(({ name }) => [
      name,
      spread(of(name).map(({ rate }) => rate)),
      spread(ratio(name)),
      middle(name, ({ workerUs }) => workerUs, 1),
      middle(name, ({ postgresUs }) => postgresUs ?? Number.NaN, 1),
      middle(name, ({ exported }) => exported, 0),
      middle(name, ({ dropped = 0 }) => dropped, 0),
      middle(name, ({ exportedMB }) => exportedMB, 0),
      middle(name, ({ rssMB }) => rssMB, 0)
    ]),
    figures: [
      { name: "rows/s, 10 % sampled ÷ off", values: ratio("10 %"), atLeast: 0.9 },
      { name: "rows/s, 100 % sampled ÷ off", values: ratio("100 %"), atLeast: 0.5 }
    ],
    notes: [
      `the clock starts after ${shown(warm, 0)} rows`,
      "the clock stops with the last settlement; what is exported after that counts as exported, not as time"
    ],
    runs
  }
}

export const tracing: Stage = {
  peers: () => ["wordloom"],
  run: async ({ options, peer, progress }) => {
    const rows = options.rows ?? (options.quick ? 20_000 : 100_000)
    const wordloom = peer("wordloom")
    const plan = interleaved(options.rounds, modes)
    const runs: Array<Run> = []
    for (const [at, { round, thing }] of plan.entries()) {
      progress.step(at, plan.length, thing.name)
      const { progress: _, ...found } = await measure(wordloom, rows, thing)
      runs.push({ round, mode: thing.name, ...found })
      await wordloom.clear()
    }
    return finding(runs, rows)
  }
}
