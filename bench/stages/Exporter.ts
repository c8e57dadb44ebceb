/** What a collector with a fault does to the program that it watches: memory, latency, connections, every span told. */
import { Agent, request as httpRequest } from "node:http"
import { start } from "../Children.ts"
import type { Finding } from "../Findings.ts"
import { quantile, shown } from "../Numbers.ts"
import type { Stage } from "../Stage.ts"

const faults = [
  "off",
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
  readonly growthMB: number
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

/** At an even pace, whether the one before is answered or not; answers the milliseconds of each. */
const load = async (port: string, seconds: number) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const answers: Array<Promise<number>> = []
  const startedAt = performance.now()
  for (let n = 0; n < seconds * requestsPerSecond; n++) {
    const wait = startedAt + n * 1_000 / requestsPerSecond - performance.now()
    if (wait > 1) await new Promise((done) => setTimeout(done, wait))
    answers.push(ask(agent, port))
  }
  const took = await Promise.all(answers)
  agent.destroy()
  return took
}

const unaccounted = (produced: number, { buffered, dropped, exported, sampledOut }: Accounts) =>
  produced - exported - dropped - sampledOut - buffered

const measure = async (fault: Fault, seconds: number): Promise<Run> => {
  const timeoutMs = seconds * 2_000 + 120_000
  const sink = start({ file: "FaultySink.ts", args: [fault], env: {}, timeoutMs })
  const url = await sink.ready
  const env = fault === "off" ? {} : { WORDLOOM_TRACING: "export", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url }
  const traced = start({ file: "wordloom/program.js", args: ["traced", "serve"], env, timeoutMs })
  const took = await load(await traced.ready, seconds)
  traced.tell()
  const found = await traced.result
  sink.tell()
  const { requests, sockets } = await sink.result
  // The first second warms both sides up.
  const warm = took.slice(requestsPerSecond)
  return {
    fault,
    p50: quantile(warm, 0.5),
    p99: quantile(warm, 0.99),
    ...found,
    sockets,
    atOnce: requests,
    unaccounted: Math.abs(unaccounted(found.produced, found.atEnd)) +
      Math.abs(unaccounted(found.produced, found.after))
  }
}

const finding = (runs: ReadonlyArray<Run>, seconds: number): Finding => {
  const traced = runs.filter(({ fault }) => fault !== "off")
  const offs = runs.filter(({ fault }) => fault === "off")
  const off = quantile(offs.map(({ p99 }) => p99), 0.5)
  return {
    stage: "exporter",
    title: `${shown(requestsPerSecond * 5, 0)} spans/s for ${shown(seconds, 0)} s to a collector with each fault`,
    head: ["fault", "p50 ms", "p99 ms", "RSS + MB", "produced", "exported", "dropped", "left", "sockets", "close ms"],
    rows: runs.map((run) => [
      run.fault,
      shown(run.p50, 2),
      shown(run.p99, 2),
      shown(run.growthMB, 1),
      shown(run.produced, 0),
      shown(run.after.exported, 0),
      shown(run.after.dropped, 0),
      shown(run.after.buffered, 0),
      shown(run.sockets, 0),
      shown(run.closeMs, 0)
    ]),
    figures: [
      {
        name: "RSS growth, worst",
        values: [Math.max(...traced.map(({ growthMB }) => growthMB))],
        unit: " MB",
        atMost: 32
      },
      {
        name: "spans not accounted for, all faults",
        values: [traced.reduce((sum, run) => sum + run.unaccounted, 0)],
        atMost: 0
      },
      { name: "exports at once", values: [Math.max(...traced.map(({ atOnce }) => atOnce))], atMost: 1 },
      { name: "connections at once", values: [Math.max(...traced.map(({ sockets }) => sockets))], atMost: 2 },
      {
        name: "end of the program, slowest",
        values: [Math.max(...traced.map(({ closeMs }) => closeMs))],
        unit: " ms",
        atMost: 4_000
      },
      {
        name: "p99, median of the faults ÷ off",
        values: [quantile(traced.map(({ p99 }) => p99), 0.5) / off],
        atMost: 1.05
      }
    ],
    notes: ["accounts are taken when the load ends and again after the program's end; both must close"],
    runs
  }
}

export const exporter: Stage = {
  peers: () => [],
  run: async ({ options, progress }) => {
    const seconds = options.seconds ?? (options.quick ? 10 : 120)
    const runs: Array<Run> = []
    const plan: ReadonlyArray<Fault> = [...faults, "off"]
    for (const [at, fault] of plan.entries()) {
      progress.step(at, plan.length, fault)
      runs.push(await measure(fault, seconds))
    }
    return finding(runs, seconds)
  }
}
