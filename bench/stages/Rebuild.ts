/** How long the whole index takes to be built anew beside the live one, and to be compared with the entities. */
import type { Finding } from "../Findings.ts"
import { shown, spread } from "../Numbers.ts"
import { interleaved } from "../Progress.ts"
import { type Engine, engines, withLibrary } from "../SearchLibrary.ts"
import type { Stage } from "../Stage.ts"

const commands = ["reindex", "reconcile"] as const

interface Run {
  readonly engine: Engine
  readonly command: typeof commands[number]
  readonly round: number
  readonly seconds: number
  readonly entities: number
}

const finding = (runs: ReadonlyArray<Run>): Finding => ({
  stage: "rebuild",
  title: "all of WordNet by the commands, with nothing else going on",
  head: ["engine", "command", "seconds", "entities/s", "seconds per million"],
  rows: engines.flatMap((engine) =>
    commands.map((command) => {
      const found = runs.filter((run) => run.engine === engine && run.command === command)
      return [
        engine,
        command,
        spread(found.map(({ seconds }) => seconds)),
        spread(found.map(({ entities, seconds }) => entities / seconds)),
        spread(found.map(({ entities, seconds }) => seconds / entities * 1e6))
      ]
    })
  ),
  figures: [],
  notes: [`${shown(runs[0]?.entities ?? 0, 0)} entities; the seconds are those that the commands tell`],
  runs
})

export const rebuild: Stage = {
  peers: () => [],
  run: ({ options, progress, server }) =>
    withLibrary(server, progress, async (library) => {
      const runs: Array<Run> = []
      for (const engine of engines) await library.empty(engine)
      const plan = interleaved(options.rounds, engines)
      for (const [at, { round, thing: engine }] of plan.entries()) {
        for (const command of commands) {
          progress.step(at, plan.length, `${engine} ${command}`)
          const { entities, seconds } = await library.command(engine, command)
          runs.push({ engine, command, round, seconds, entities })
        }
      }
      return finding(runs)
    })
}
