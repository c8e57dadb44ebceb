/** What tracing costs a write of the real API: one that exports its spans beside one without tracing. */
import { type Program, startProgram } from "../../test/support/Programs.ts"
import { listening } from "../../test/support/RunningApi.ts"
import { run, start } from "../Children.ts"
import type { Finding } from "../Findings.ts"
import { loadNow, processCpuMs } from "../Meter.ts"
import { shown, spread } from "../Numbers.ts"
import { databaseUrl, within } from "../Sessions.ts"
import type { Bench, Stage } from "../Stage.ts"
import { compared, load } from "../Twins.ts"

/** Each of five spans; twice as many, for both APIs, leave two cores half idle. */
const writesPerSecond = 100
/** Of a compiled program. */
const warmSeconds = 10

interface Side {
  readonly api: Program
  readonly port: number
}

const begun = async (
  { server }: Bench,
  name: string,
  tracing: Readonly<Record<string, string>>,
  apis: Array<Program>
): Promise<Side> => {
  const env = { DATABASE_URL: databaseUrl(server.url, name), WORDLOOM_SEARCH: "postgres", WORDLOOM_LOG_LEVEL: "info" }
  await within(server.url, (session) => session.query(`create database ${name}`))
  await run({ file: "wordloom/program.js", args: ["migrate"], env, timeoutMs: 60_000 })
  const api = startProgram("api", { ...env, ...tracing, NODE_ENV: "production", WORDLOOM_HTTP_PORT: "0" })
  apis.push(api)
  return { api, port: Number(new URL(await listening(api)).port) }
}

interface Run {
  readonly p50: number
  readonly p99: number
  readonly offP50: number
  readonly offP99: number
  readonly p50Ratios: ReadonlyArray<number>
  readonly p99Ratios: ReadonlyArray<number>
  /** CPU microseconds of a write. */
  readonly each: number
  readonly offEach: number
  readonly load: number
}

const measured = async (sides: readonly [Side, Side], round: number, seconds: number): Promise<Run> => {
  const asked = sides.map(({ port }) => ({
    port,
    path: "/api/v1/tags",
    body: (n: number) => JSON.stringify({ name: `tag ${round} ${n}`, color: "#1E90FF" }),
    status: 201
  }))
  const cpuMs = () => sides.map(({ api }) => processCpuMs(api.process.pid!) ?? Number.NaN)
  const before = cpuMs()
  const at = loadNow()
  const took = await load(asked, { perSecond: writesPerSecond, seconds })
  const [each, offEach] = cpuMs().map((ms, side) => (ms - before[side]!) * 1_000 / (seconds * writesPerSecond))
  const [on, off] = took as [Array<number>, Array<number>]
  return {
    ...compared(on, off, writesPerSecond),
    each: each!,
    offEach: offEach!,
    load: at
  }
}

const row = (run: Run) => [
  shown(run.p50, 2),
  spread(run.p50Ratios),
  shown(run.p99, 2),
  spread(run.p99Ratios),
  shown(run.each, 0),
  shown(run.each - run.offEach, 0),
  shown(run.load, 1)
]

const finding = (runs: ReadonlyArray<Run>, seconds: number): Finding => ({
  stage: "writes",
  title: `${writesPerSecond} writes/s for ${shown(seconds, 0)} s, each of five spans, all of them exported`,
  head: ["p50 ms", "÷ off", "p99 ms", "÷ off", "CPU µs", "more", "load"],
  rows: runs.map(row),
  figures: [
    { name: "p99 ÷ off", values: runs.flatMap(({ p99Ratios }) => p99Ratios), atMost: 1.05 },
    { name: "CPU ÷ off", values: runs.map(({ each, offEach }) => each / offEach) }
  ],
  notes: ["off is an API without tracing that is asked at the same moments; ÷ off is the median of windows of 5 s"],
  runs
})

export const writes: Stage = {
  peers: () => [],
  run: async (bench) => {
    const { options, progress } = bench
    const seconds = options.seconds ?? (options.quick ? 20 : 60)
    const sink = start({ file: "FaultySink.ts", args: ["none"], env: {}, timeoutMs: 3_600_000 })
    const exported = { WORDLOOM_TRACING: "export", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: await sink.ready }
    const apis: Array<Program> = []
    try {
      const traced = await begun(bench, "bench_writes_traced", exported, apis)
      const off = await begun(bench, "bench_writes_off", { WORDLOOM_TRACING: "off" }, apis)
      await measured([traced, off], 0, warmSeconds)
      const runs: Array<Run> = []
      for (let round = 1; round <= options.rounds; round++) {
        progress.step(round - 1, options.rounds, "writes")
        runs.push(await measured([traced, off], round, seconds))
      }
      return finding(runs, seconds)
    } finally {
      await Promise.all(apis.map((api) => api.stop()))
      sink.tell()
    }
  }
}
