/** What a collector with a fault does to the program that it watches: memory, latency, connections, every span told. */
import { Agent, request as httpRequest } from "node:http"
import { start } from "../Children.ts"
import type { Finding } from "../Findings.ts"
import { loadNow } from "../Meter.ts"
import { quantile, shown } from "../Numbers.ts"
import type { Stage } from "../Stage.ts"

const faults = [
  "none",
  "down",
  "hanging",
  "slow",
  "throttled",
  "error",
  "garbage",
  "drip",
  "certificate",
  "dns",
  "too_large"
] as const
type Fault = typeof faults[number]

/** Of five spans each. */
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
  readonly fault: Fault
  readonly p50: number
  readonly p99: number
  /** Of its twin without tracing, which was asked at the same moments. */
  readonly offP50: number
  readonly offP99: number
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

const ask = (agent: Agent, port: string) =>
  new Promise<number>((done, fail) => {
    const startedAt = performance.now()
    httpRequest({ agent, port: Number(port), method: "POST", path: "/" }, (response) => {
      response.resume().once("end", () => done(performance.now() - startedAt))
    }).once("error", fail).end()
  })

/** At an even pace, whether the one before is answered or not, each of `ports` in turn; answers the milliseconds. */
const load = async (ports: ReadonlyArray<string>, seconds: number) => {
  const sides = ports.map((port) => ({
    port,
    agent: new Agent({ keepAlive: true, maxSockets: 64 }),
    answers: [] as Array<Promise<number>>
  }))
  const startedAt = performance.now()
  const all = seconds * requestsPerSecond * sides.length
  for (let n = 0; n < all; n++) {
    const wait = startedAt + n * 1_000 / (requestsPerSecond * sides.length) - performance.now()
    if (wait > 0) await new Promise((done) => setTimeout(done, wait))
    const { agent, answers, port } = sides[n % sides.length]!
    answers.push(ask(agent, port))
  }
  const took = await Promise.all(sides.map(({ answers }) => Promise.all(answers)))
  for (const { agent } of sides) agent.destroy()
  return took
}

const unaccounted = (produced: number, { buffered, dropped, exported, sampledOut }: Accounts) =>
  produced - exported - dropped - sampledOut - buffered

/** The same program with tracing and without, both at once: whatever else the machine does is in both latencies. */
const measure = async (fault: Fault, seconds: number): Promise<Run> => {
  const timeoutMs = seconds * 2_000 + 120_000
  const sink = start({ file: "FaultySink.ts", args: [fault], env: {}, timeoutMs })
  const env = { WORDLOOM_TRACING: "export", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: await sink.ready }
  const program = {
    file: "wordloom/program.js",
    args: ["traced", "serve", String(warmRequests(seconds))],
    timeoutMs
  }
  const [traced, off] = [start({ ...program, env }), start({ ...program, env: {} })]
  const at = loadNow()
  const [took, tookOff] = await load([await traced.ready, await off.ready], seconds)
  traced.tell()
  const found = await traced.result
  off.tell()
  const foundOff = await off.result
  sink.tell()
  const { requests, sockets } = await sink.result
  const [warm, warmOff] = [took!, tookOff!].map((all) => all.slice(warmRequests(seconds)))
  return {
    fault,
    p50: quantile(warm!, 0.5),
    p99: quantile(warm!, 0.99),
    offP50: quantile(warmOff!, 0.5),
    offP99: quantile(warmOff!, 0.99),
    ...found,
    offGrowthMB: foundOff.growthMB,
    load: at,
    sockets,
    atOnce: requests,
    unaccounted: Math.abs(unaccounted(found.produced, found.atEnd)) +
      Math.abs(unaccounted(found.produced, found.after))
  }
}

const finding = (traced: ReadonlyArray<Run>, seconds: number): Finding => {
  const worst = (figure: (run: Run) => number) => Math.max(...traced.map(figure))
  return {
    stage: "exporter",
    title: `${shown(requestsPerSecond * 5, 0)} spans/s for ${shown(seconds, 0)} s to a collector with each fault`,
    head: [
      "fault",
      "p50 ms",
      "÷ off",
      "p99 ms",
      "÷ off",
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
    ],
    rows: traced.map((run) => [
      run.fault,
      shown(run.p50, 2),
      shown(run.p50 / run.offP50, 2),
      shown(run.p99, 2),
      shown(run.p99 / run.offP99, 2),
      shown(run.growthMB, 1),
      shown(run.offGrowthMB, 1),
      ...[run.produced, run.after.exported, run.after.dropped, run.after.sampledOut, run.after.buffered, run.sockets]
        .map((value) => shown(value, 0)),
      shown(run.closeMs, 0),
      shown(run.load, 1)
    ]),
    figures: [
      {
        name: "RSS growth, worst",
        values: [worst(({ growthMB }) => growthMB)],
        unit: " MB",
        atMost: 32
      },
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
        values: traced.map(({ offP99, p99 }) => p99 / offP99),
        atMost: 1.05
      }
    ],
    notes: [
      "accounts are taken when the load ends and again after the program's end; both must close",
      "off is a twin without tracing that is asked at the same time"
    ],
    runs: traced
  }
}

export const exporter: Stage = {
  peers: () => [],
  run: async ({ options, progress }) => {
    const seconds = options.seconds ?? (options.quick ? 10 : 120)
    const runs: Array<Run> = []
    const chosen = faults.filter((fault) => options.faults?.includes(fault) ?? true)
    if (chosen.length === 0) throw new Error(`the faults are ${faults.join()}`)
    for (const [at, fault] of chosen.entries()) {
      progress.step(at, chosen.length, fault)
      runs.push(await measure(fault, seconds))
    }
    return finding(runs, seconds)
  }
}
