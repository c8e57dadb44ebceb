/** How soon after its commit a write that waits for it can be found, beside Elasticsearch's own way of waiting. */
import { missing, start as startServer } from "../../infra/servers.js"
import { run, start } from "../Children.ts"
import type { Finding } from "../Findings.ts"
import { quantile, spread } from "../Numbers.ts"
import { interleaved } from "../Progress.ts"
import type { Stage } from "../Stage.ts"

type Way = "postgres" | "elasticsearch" | "wait_for"

const shown: Readonly<Record<Way, string>> = {
  postgres: "Prefer: wait, PostgreSQL",
  elasticsearch: "Prefer: wait, Elasticsearch",
  wait_for: "bulk, refresh=wait_for"
}

interface Sample {
  readonly sentAt: string
  readonly committedAt: string
  /** `null` where the wait ended otherwise. */
  readonly foundAt: string | null
}

interface Run {
  readonly way: Way
  readonly round: number
  readonly found: number
  /** Milliseconds: p50, p95 and p99 from the commit until it can be found; p50 of the write itself. */
  readonly visible: ReadonlyArray<number>
  readonly written: number
}

const between = (from: string, to: string) => Number(BigInt(to) - BigInt(from)) / 1e6
const file = "wordloom/program.js"

const environment = (way: Way, database: string, elastic: string | undefined) => ({
  DATABASE_URL: database,
  OUTBOX_PROJECTIONS: "search",
  WORDLOOM_LOG_FORMAT: "json",
  WORDLOOM_LOG_LEVEL: "warn",
  WORDLOOM_TRACING: "off",
  ...(way === "postgres" || elastic === undefined
    ? { WORDLOOM_SEARCH: "postgres" }
    : { WORDLOOM_SEARCH: "elasticsearch", ELASTIC_URL: elastic, ELASTIC_INDEX: `bench-${way.replace("_", "-")}` })
})

const sampled = async (way: Way, count: number, env: Readonly<Record<string, string>>) => {
  const program = (command: string) => ({ file, args: [command, String(count)], env, timeoutMs: 5 * 60_000 })
  if (way === "wait_for") return await run(program("naive"))
  const worker = start(program("search"))
  try {
    await worker.ready
    return await run(program("visible"))
  } finally {
    worker.tell()
    await worker.result.catch(() => {})
  }
}

const measured = (samples: ReadonlyArray<Sample>) => {
  const visible = samples.flatMap(({ committedAt, foundAt }) => foundAt === null ? [] : [between(committedAt, foundAt)])
  return {
    found: visible.length,
    visible: [0.5, 0.95, 0.99].map((at) => quantile(visible, at)),
    written: quantile(samples.map(({ committedAt, sentAt }) => between(sentAt, committedAt)), 0.5)
  }
}

const finding = (runs: ReadonlyArray<Run>, ways: ReadonlyArray<Way>, count: number, lacking?: string): Finding => {
  const of = (way: Way) => runs.filter((one) => one.way === way)
  const ratio = (way: Way, at: number) =>
    of(way).flatMap((one) => {
      const other = of("wait_for").find(({ round }) => round === one.round)
      return other === undefined ? [] : [one.visible[at]! / other.visible[at]!]
    })
  return {
    stage: "visible",
    title: `${count} writes, one after the other, to an idle system; milliseconds`,
    head: ["way", "commit→found p50", "p95", "p99", "write p50", "found"],
    rows: ways.map((way) => [
      shown[way],
      ...[0, 1, 2].map((at) => spread(of(way).map(({ visible }) => visible[at]!))),
      way === "wait_for" ? "–" : spread(of(way).map(({ written }) => written)),
      of(way).map(({ found }) => found).join("/")
    ]),
    figures: (["postgres", "elasticsearch"] as const).flatMap((way) => [
      { name: `${way}, p50 ÷ wait_for`, values: ratio(way, 0), atMost: 0.25 },
      { name: `${way}, p99 ÷ wait_for`, values: ratio(way, 2), atMost: 0.5 }
    ]),
    notes: lacking === undefined ? [] : [`without Elasticsearch: ${lacking}`],
    runs
  }
}

export const visible: Stage = {
  peers: () => ["wordloom"],
  run: async ({ options, peer, progress }) => {
    const count = options.quick ? 50 : 100
    const lacking = missing("elasticsearch")
    const elastic = lacking === undefined ? (await startServer("elasticsearch")).url : undefined
    const ways: ReadonlyArray<Way> = elastic === undefined ? ["postgres"] : ["postgres", "elasticsearch", "wait_for"]
    const plan = interleaved(options.rounds, ways)
    const runs: Array<Run> = []
    for (const [at, { round, thing: way }] of plan.entries()) {
      progress.step(at, plan.length, shown[way])
      const samples = await sampled(way, count, environment(way, peer("wordloom").url, elastic))
      runs.push({ way, round, ...measured(samples) })
    }
    return finding(runs, ways, count, lacking)
  }
}
