/**
 * `npm run sim`: simulates seed after seed, and says of each that breaks an invariant how to see it again.
 *
 * `--seed N` one seed, `--twice` it must be the same again; `--seeds COUNT` that many, `--from N` on; `--jobs N`
 * processes;
 * `--verbose` every line of a single seed. Exit 1 if anything was broken, or if something that ought to happen in so
 * many seeds never did.
 */
import { type ChildProcess, fork } from "node:child_process"
import { parseArgs } from "node:util"
import { shownOptions } from "./Options.ts"
import { failureOf, Tally, type Told } from "./Report.ts"
import { simulate } from "./Simulation.ts"

/** So many seeds have seen everything; fewer need not have. */
const enough = 2_000
/** Seeds that a process is sent at once. */
const portion = 5
/** Failures that are told in full. */
const failuresMax = 5
const plainEveryMs = 10_000

const say = (text: string) => process.stdout.write(`${text}\n`)

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string", default: String(enough) },
    from: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
    twice: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false }
  }
})

const one = (seed: number): boolean => {
  const run = simulate(seed)
  const same = !values.twice || simulate(seed).lines.join("\n") === run.lines.join("\n")
  if (values.verbose) say(run.lines.join("\n"))
  if (run.violations.length > 0) say(failureOf(run))
  else say(`seed ${seed} holds: ${run.lines.length} lines, ${(run.simulatedMs / 1_000).toFixed(0)} simulated seconds`)
  say(`  ${shownOptions(run.options)}`)
  if (values.twice) say(same ? "the second run was the same, line by line" : "the second run was ANOTHER one")
  return same && run.violations.length === 0
}

/** A bar where somebody looks; elsewhere a line now and then. */
const progress = (count: number, begun: number) => {
  const isTerminal = process.stdout.isTTY
  let lastAt = begun
  return (tally: Tally) => {
    const now = performance.now()
    const rate = (tally.seeds / ((now - begun) / 1_000)).toFixed(1)
    const words = `${tally.seeds}/${count} seeds, ${rate}/s, ${tally.failed} failed`
    if (isTerminal) {
      const filled = Math.round((30 * tally.seeds) / count)
      process.stdout.write(`\r\x1b[K[${"#".repeat(filled)}${".".repeat(30 - filled)}] ${words}`)
      if (tally.seeds === count) process.stdout.write("\n")
    } else if (now - lastAt > plainEveryMs) {
      lastAt = now
      say(words)
    }
  }
}

const many = (from: number, count: number, jobs: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const begun = performance.now()
    const tally = new Tally()
    const show = progress(count, begun)
    let next = from

    const end = () => {
      say(tally.summary(performance.now() - begun))
      say(tally.table())
      const missing = count >= enough ? tally.never : []
      if (missing.length > 0) say(`in ${count} seeds there was never: ${missing.join("; ")}`)
      resolve(tally.failed === 0 && missing.length === 0)
    }

    const send = (child: ChildProcess) => {
      const seeds = Array.from({ length: Math.min(portion, from + count - next) }, (_, at) => next + at)
      next += seeds.length
      if (seeds.length > 0) child.send(seeds)
      else child.disconnect()
    }

    const receive = (told: ReadonlyArray<Told>) => {
      for (const run of told) {
        tally.add(run)
        if (run.violations.length > 0 && tally.failed <= failuresMax) say(`\n${failureOf(run)}\n`)
        else if (run.violations.length > 0) say(`seed ${run.options.seed} fails, too: ${run.violations[0]?.detail}`)
      }
      show(tally)
      if (tally.seeds === count) end()
    }

    for (let job = 0; job < Math.min(jobs, Math.ceil(count / portion)); job++) {
      // What a seed leaves behind dies young; in the usual small nursery much of it would be copied first.
      const child = fork(new URL("SeedProcess.ts", import.meta.url), {
        serialization: "advanced",
        execArgv: ["--max-semi-space-size=64"]
      })
      child.on("error", reject)
      child.on("exit", (code) => {
        if (code !== 0) reject(new Error(`a process of the simulation ended with ${code}`))
      })
      child.on("message", (told) => {
        send(child)
        receive(told as ReadonlyArray<Told>)
      })
      send(child)
    }
  })

const isFine = values.seed === undefined
  ? await many(Number(values.from), Number(values.seeds), Number(values.jobs))
  : one(Number(values.seed))
process.exitCode = isFine ? 0 : 1
