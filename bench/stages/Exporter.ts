/** What a collector with a fault does to the program that it watches: memory, latency, connections, every span told. */
import { faults } from "../../test/support/FaultyCollector.ts"
import { start } from "../Children.ts"
import type { Finding } from "../Findings.ts"
import { loadNow } from "../Meter.ts"
import { median, shown, spread } from "../Numbers.ts"
import type { Stage } from "../Stage.ts"
import { compared, load } from "../Twins.ts"

/** What is wrong with the collector; `untraced` has none, and shows how far two programs that are the same differ. */
const things = ["untraced", ...faults.filter((fault) => fault !== "partial")] as const
type Thing = typeof things[number]

/** Of five spans each, one of them a statement. */
const requestsPerSecond = 400

/** By then what is loaded and compiled at first is there. */
const warmRequests = (seconds: number) => Math.min(2_000, Math.floor(seconds * requestsPerSecond / 4))

interface Accounts {
  readonly exported: number
  readonly dropped: number
  readonly sampledOut: number
  readonly buffered: number
}

interface Run {
  readonly thing: Thing
  /** Milliseconds over all of the time, and CPU per request in microseconds. */
  readonly p50: number
  readonly p99: number
  readonly each: number
  /** Of its twin without tracing, which was asked at the same moments. */
  readonly offP50: number
  readonly offP99: number
  readonly offEach: number
  /** p50 and p99 by that of the twin, of each window. */
  readonly p50Ratios: ReadonlyArray<number>
  readonly p99Ratios: ReadonlyArray<number>
  readonly growthMB: number
  readonly offGrowthMB: number
  readonly load: number
  readonly produced: number
  readonly closeMs: number
  readonly atEnd: Accounts
  readonly after: Accounts
  readonly sockets: number
  readonly atOnce: number
  readonly unaccounted: number
}

const unaccounted = (produced: number, { buffered, dropped, exported, sampledOut }: Accounts) =>
  produced - exported - dropped - sampledOut - buffered

/** The same program with tracing and without, both at once. */
const measure = async (thing: Thing, seconds: number, database: string): Promise<Run> => {
  const timeoutMs = seconds * 2_000 + 120_000
  const sink = start({ file: "FaultySink.ts", args: [thing], env: {}, timeoutMs })
  const base = { DATABASE_URL: database, WORDLOOM_LOG_LEVEL: "warn", WORDLOOM_TRACING: "off" }
  const env = { ...base, WORDLOOM_TRACING: "export", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: await sink.ready }
  const program = {
    file: "wordloom/program.js",
    args: ["traced", "serve", String(warmRequests(seconds))],
    timeoutMs
  }
  const traced = start({ ...program, env: thing === "untraced" ? base : env })
  const off = start({ ...program, env: base })
  const at = loadNow()
  const asked = (port: string) => ({ port: Number(port), path: "/", status: 200 })
  const pace = { perSecond: requestsPerSecond, seconds }
  const [took, tookOff] = await load([asked(await traced.ready), asked(await off.ready)], pace)
  traced.tell()
  const found = await traced.result
  off.tell()
  const foundOff = await off.result
  sink.tell()
  const { requests, sockets } = await sink.result
  const warm = took!.slice(warmRequests(seconds))
  const warmOff = tookOff!.slice(warmRequests(seconds))
  return {
    thing,
    ...compared(warm, warmOff, requestsPerSecond),
    ...found,
    offEach: foundOff.each,
    offGrowthMB: foundOff.growthMB,
    load: at,
    sockets,
    atOnce: requests,
    unaccounted: Math.abs(unaccounted(found.produced, found.atEnd)) +
      Math.abs(unaccounted(found.produced, found.after))
  }
}

const head = [
  "fault",
  "p50 ms",
  "÷ off",
  "p99 ms",
  "÷ off",
  "CPU µs",
  "more",
  "RSS + MB",
  "off + MB",
  "produced",
  "exported",
  "dropped",
  "sampled out",
  "left",
  "sockets",
  "close ms",
  "load"
]

const row = (run: Run) => [
  run.thing,
  shown(run.p50, 2),
  spread(run.p50Ratios),
  shown(run.p99, 2),
  spread(run.p99Ratios),
  shown(run.each, 0),
  shown(run.each - run.offEach, 0),
  shown(run.growthMB, 1),
  shown(run.offGrowthMB, 1),
  ...[run.produced, run.after.exported, run.after.dropped, run.after.sampledOut, run.after.buffered, run.sockets]
    .map((value) => shown(value, 0)),
  shown(run.closeMs, 0),
  shown(run.load, 1)
]

const finding = (runs: ReadonlyArray<Run>, seconds: number): Finding => {
  const traced = runs.filter(({ thing }) => thing !== "untraced")
  const worst = (figure: (run: Run) => number) => Math.max(...traced.map(figure))
  return {
    stage: "exporter",
    title: `${shown(requestsPerSecond * 5, 0)} spans/s for ${shown(seconds, 0)} s to a collector with each fault`,
    head,
    rows: runs.map(row),
    figures: [
      { name: "RSS growth, worst", values: [worst(({ growthMB }) => growthMB)], unit: " MB", atMost: 32 },
      {
        name: "spans not accounted for, all faults",
        values: [traced.reduce((sum, run) => sum + run.unaccounted, 0)],
        atMost: 0
      },
      { name: "exports at once", values: [worst(({ atOnce }) => atOnce)], atMost: 1 },
      { name: "connections at once", values: [worst(({ sockets }) => sockets)], atMost: 2 },
      {
        name: "end of the program, slowest",
        values: [worst(({ closeMs }) => closeMs)],
        unit: " ms",
        atMost: 3_000
      },
      {
        name: "p99 ÷ off, of each fault",
        values: traced.map(({ p99Ratios }) => median(p99Ratios)),
        atMost: 1.05
      }
    ],
    notes: [
      "accounts are taken when the load ends and again after the program's end; both must close",
      "off is a twin without tracing that is asked at the same time; ÷ off is the median of windows of 5 s",
      "untraced: two twins without tracing, which is what the measurement itself cannot tell apart"
    ],
    runs
  }
}

export const exporter: Stage = {
  peers: () => ["wordloom"],
  run: async ({ options, peer, progress }) => {
    const seconds = options.seconds ?? (options.quick ? 10 : 120)
    const runs: Array<Run> = []
    const chosen = things.filter((thing) => options.faults?.includes(thing) ?? true)
    if (chosen.length === 0) throw new Error(`the faults are ${things.join()}`)
    for (const [at, thing] of chosen.entries()) {
      progress.step(at, chosen.length, thing)
      runs.push(await measure(thing, seconds, peer("wordloom").url))
    }
    return finding(runs, seconds)
  }
}
