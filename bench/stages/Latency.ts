/** How soon after its commit a change reaches the handler of an idle worker, and what the waiting costs. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Sample } from "../ChildSide.ts"
import type { Finding } from "../Findings.ts"
import { postgresCpuMs, processCpuMs } from "../Meter.ts"
import { quantile, spread } from "../Numbers.ts"
import type { Peer, Server } from "../Peers.ts"
import { interleaved } from "../Progress.ts"
import type { Stage } from "../Stage.ts"

const names = ["bare-lease", "graphile", "wordloom"]

interface Run {
  readonly peer: string
  readonly round: number
  readonly count: number
  /** Milliseconds from the acknowledged commit to the handler, and from the sending. */
  readonly acked: ReadonlyArray<number>
  readonly sent: ReadonlyArray<number>
  /** Percent of a core, of the worker and of PostgreSQL, while there is nothing to do. */
  readonly idle: number
  readonly idlePostgres: number
}

const between = (from: string, to: string) => Number(BigInt(to) - BigInt(from)) / 1e6
const percentiles = (values: ReadonlyArray<number>) => [0.5, 0.95, 0.99].map((at) => quantile(values, at))

/** Percent of a core that a process and PostgreSQL use in the next seconds. */
const idleCost = async (pid: number, server: Server, seconds: number) => {
  const now = () => [processCpuMs(pid) ?? Number.NaN, postgresCpuMs(server.pid) ?? Number.NaN] as const
  const before = now()
  await sleep(seconds * 1_000)
  const after = now()
  const percent = (at: 0 | 1) => (after[at] - before[at]) / seconds / 10
  return { idle: percent(0), idlePostgres: percent(1) }
}

const measure = async (peer: Peer, server: Server, count: number, seconds: number) => {
  await peer.clear()
  const worker = peer.idle()
  try {
    await worker.ready
    const samples: ReadonlyArray<Sample> = await peer.produce(count).result
    // Whatever is late arrives; what never does is told by the count.
    await sleep(1_500)
    const cost = await idleCost(worker.pid, server, seconds)
    worker.tell()
    const started = new Map<string, string>(await worker.result)
    const heard = samples.filter(({ key }) => started.has(key))
    return {
      count: heard.length,
      acked: percentiles(heard.map(({ ackedAt, key }) => between(ackedAt, started.get(key)!))),
      sent: percentiles(heard.map(({ key, sentAt }) => between(sentAt, started.get(key)!))),
      ...cost
    }
  } finally {
    worker.tell()
    await worker.result.catch(() => {})
  }
}

const finding = (runs: ReadonlyArray<Run>, samples: number): Finding => {
  const of = (name: string) => runs.filter(({ peer }) => peer === name)
  const ratio = (name: string, at: number) =>
    of("wordloom").flatMap((run) => {
      const other = of(name).find(({ round }) => round === run.round)
      return other === undefined ? [] : [run.acked[at]! / other.acked[at]!]
    })
  return {
    stage: "latency",
    title: `${samples} changes, one every 0–40 ms, to an idle worker; milliseconds`,
    head: ["peer", "ack→handler p50", "p95", "p99", "send→handler p50", "p99", "heard", "idle %", "idle PG %"],
    rows: names.map((name) => [
      name === "bare-lease" ? "bare LISTEN" : name,
      ...[0, 1, 2].map((at) => spread(of(name).map(({ acked }) => acked[at]!))),
      ...[0, 2].map((at) => spread(of(name).map(({ sent }) => sent[at]!))),
      of(name).map(({ count }) => count).join("/"),
      spread(of(name).map(({ idle }) => idle)),
      spread(of(name).map(({ idlePostgres }) => idlePostgres))
    ]),
    figures: [
      { name: "p50 ÷ graphile", values: ratio("graphile", 0), atMost: 1 },
      { name: "p99 ÷ graphile", values: ratio("graphile", 2), atMost: 1 },
      { name: "p50 ÷ bare LISTEN", values: ratio("bare-lease", 0), atMost: 1.25 },
      { name: "p99 ÷ bare LISTEN", values: ratio("bare-lease", 2), atMost: 1.5 },
      { name: "an idle worker, of a core", values: of("wordloom").map(({ idle }) => idle), unit: " %", atMost: 1 }
    ],
    notes: [],
    runs
  }
}

export const latency: Stage = {
  peers: () => names,
  run: async ({ options, peer, progress, server }) => {
    const samples = options.quick ? 100 : 300
    const plan = interleaved(options.rounds, names)
    const runs: Array<Run> = []
    for (const [at, { round, thing }] of plan.entries()) {
      progress.step(at, plan.length, thing)
      const found = await measure(peer(thing), server, samples, options.quick ? 3 : 10)
      runs.push({ peer: thing, round, ...found })
      await peer(thing).clear()
    }
    return finding(runs, samples)
  }
}
