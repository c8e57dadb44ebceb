/** What leaving a change in the outboxes adds to the transaction that writes it, and what one statement more adds. */
import { run } from "../Children.ts"
import type { Finding } from "../Findings.ts"
import type { Usage } from "../Meter.ts"
import { median, shown } from "../Numbers.ts"
import type { Stage } from "../Stage.ts"

const modes = ["without", "nothing", "with"] as const
/** As the table calls them. */
const words = { without: "none", nothing: "a statement that does nothing", with: "with its rows" } as const

interface Slice {
  readonly clients: number
  readonly round: number
  readonly mode: typeof modes[number]
  readonly usage: Usage
}

const both = ({ postgresUs, workerUs }: Usage) => postgresUs === null ? Number.NaN : postgresUs + workerUs
const wall = ({ rate }: Usage) => 1 / rate

const finding = (slices: ReadonlyArray<Slice>, counts: ReadonlyArray<number>): Finding => {
  const of = (clients: number, mode: Slice["mode"]) =>
    slices.filter((slice) => slice.clients === clients && slice.mode === mode)
  /** By how many percent a round with the outbox is dearer than the same round `than` that. */
  const more = (clients: number, cost: (usage: Usage) => number, than: Slice["mode"] = "without") =>
    of(clients, "with").flatMap((slice) => {
      const other = of(clients, than).find(({ round }) => round === slice.round)
      return other === undefined ? [] : [(cost(slice.usage) / cost(other.usage) - 1) * 100]
    })
  return {
    stage: "enqueue",
    title: "begin; insert one block; commit: alone, with a further statement, with its rows in two outboxes",
    head: ["clients", "outbox", "transactions/s", "client µs", "PG µs", "both µs"],
    rows: counts.flatMap((clients) =>
      modes.map((mode) => {
        const middle = (figure: (usage: Usage) => number) => median(of(clients, mode).map(({ usage }) => figure(usage)))
        return [
          String(clients),
          words[mode],
          shown(middle(({ rate }) => rate), 0),
          shown(middle(({ workerUs }) => workerUs), 0),
          shown(middle(({ postgresUs }) => postgresUs ?? Number.NaN), 0),
          shown(middle(both), 0)
        ]
      })
    ),
    figures: [
      { name: "time more, 1 client", values: more(1, wall), unit: " %", atMost: 15 },
      { name: "CPU more, 1 client", values: more(1, both), unit: " %", atMost: 15 },
      {
        name: "time more than with a statement that does nothing, 1 client",
        values: more(1, wall, "nothing"),
        unit: " %"
      },
      { name: "time more, 8 clients", values: more(8, wall), unit: " %" },
      { name: "CPU more, 8 clients", values: more(8, both), unit: " %" }
    ],
    notes: ["all kinds run in turns in one process, in Effect, by the product's Transaction and Outbox"],
    runs: slices
  }
}

export const enqueue: Stage = {
  peers: () => ["wordloom"],
  run: async ({ options, peer, progress, server }) => {
    const counts = [1, 8]
    const wordloom = peer("wordloom")
    const slices: Array<Slice> = []
    for (const [at, clients] of counts.entries()) {
      progress.step(at, counts.length, `${clients} clients`)
      await wordloom.clear()
      const transactions = (options.quick ? 500 : 2_000) * (clients === 1 ? 1 : 3)
      const found: ReadonlyArray<Omit<Slice, "clients">> = await run({
        file: "wordloom/program.js",
        args: ["enqueue", String(clients), String(transactions), String(options.rounds * 2)],
        env: { DATABASE_URL: wordloom.url, BENCH_POSTMASTER: String(server.pid), WORDLOOM_LOG_LEVEL: "warn" },
        timeoutMs: 300_000
      })
      slices.push(...found.map((slice) => ({ clients, ...slice })))
    }
    await wordloom.clear()
    return finding(slices, counts)
  }
}
