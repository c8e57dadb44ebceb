/** How soon a search over all of WordNet is answered, by each engine. */
import type { Finding } from "../Findings.ts"
import { quantile, shown, spread } from "../Numbers.ts"
import { interleaved } from "../Progress.ts"
import { type Engine, engines, withLibrary } from "../SearchLibrary.ts"
import type { Stage } from "../Stage.ts"

const kinds = engines.flatMap((engine) => [1, 16].map((clients) => ({ engine, clients })))

interface Run {
  readonly engine: Engine
  readonly clients: number
  readonly round: number
  readonly seconds: number
  readonly ms: ReadonlyArray<number>
  readonly empty: number
}

const finding = (runs: ReadonlyArray<Run>, documents: number, questions: number): Finding => ({
  stage: "find",
  title: `${shown(questions, 0)} searches of five kinds over ${
    shown(documents, 0)
  } documents, 20 hits each; milliseconds`,
  head: ["engine", "clients", "p50", "p95", "p99", "searches/s", "without a hit"],
  rows: kinds.map(({ clients, engine }) => {
    const found = runs.filter((run) => run.engine === engine && run.clients === clients)
    return [
      engine,
      String(clients),
      ...[0.5, 0.95, 0.99].map((at) => spread(found.map(({ ms }) => quantile(ms, at)))),
      spread(found.map(({ ms, seconds }) => ms.length / seconds)),
      String(found[0]?.empty ?? "–")
    ]
  }),
  figures: [],
  notes: ["a word, a beginning, two words, a phrase, a word without another; in the API's process, without HTTP"],
  runs
})

export const find: Stage = {
  peers: () => [],
  run: ({ options, progress, server }) =>
    withLibrary(server, progress, async (library) => {
      const questions = options.quick ? 500 : 2_000
      for (const engine of engines) {
        progress.step(0, kinds.length, `fills ${engine}`)
        await library.empty(engine)
        await library.run(engine, ["write", String(library.documents), "1000", "2"])
      }
      const plan = interleaved(options.rounds, kinds)
      const runs: Array<Run> = []
      for (const [at, { round, thing: { clients, engine } }] of plan.entries()) {
        progress.step(at, plan.length, `${engine} ${clients} clients`)
        runs.push({
          engine,
          clients,
          round,
          ...await library.run(engine, ["find", String(questions), String(clients)])
        })
      }
      return finding(runs, library.documents, questions)
    })
}
