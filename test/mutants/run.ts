/**
 * Plants sixteen bugs, one after the other, in a temporary copy of the tree, and asks the tests to notice each.
 *
 *     node test/mutants/run.ts [--only NAME]... [--jobs N] [--json FILE]
 *
 * The last line is `16/16`, and the exit code 0, when every one was caught wherever it was planted; else 1.
 */
import * as Fs from "node:fs"
import { parseArgs } from "node:util"
import { start, stopAll } from "../../infra/servers.js"
import { endAll } from "./Commands.ts"
import * as Copy from "./Copy.ts"
import { type Finding, isCaught, type Mutant, type Named, nameOf, type Place } from "./Mutant.ts"
import { mutants } from "./Mutants.ts"
import * as Screen from "./Screen.ts"
import { type Result, runTests } from "./Tests.ts"
import { brokenTypes } from "./Types.ts"

/** Several times what the slowest test takes on a machine that is doing ten other things. */
const boundMs = 150_000
const baselineBoundMs = 400_000

const usage = (message: string): never => {
  process.stderr.write(`${message}\nusage: node test/mutants/run.ts [--only NAME]... [--jobs N] [--json FILE]\n`)
  process.stderr.write(`names:\n${mutants.map(({ name }) => `  ${name}\n`).join("")}`)
  process.exit(2)
}

const readArguments = () => {
  try {
    const { values: { jobs: given, json, only } } = parseArgs({
      options: {
        only: { type: "string", multiple: true, default: [] },
        jobs: { type: "string", default: "1" },
        json: { type: "string" }
      }
    })
    const wanted = mutants.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)))
    if (wanted.length === 0) return usage("no mutant has that in its name")
    const jobs = Number(given)
    if (!Number.isInteger(jobs) || jobs < 1 || jobs > 8) return usage("--jobs is a number from 1 to 8")
    return { wanted, jobs, json }
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

const copies: Array<Copy.Copy> = []
const newCopy = () => {
  const copy = Copy.make()
  copies.push(copy)
  return copy
}

const cleanUp = async () => {
  endAll()
  await stopAll()
  for (const copy of copies.splice(0)) copy.remove()
}

let stopping = false
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    stopping = true
    void cleanUp().finally(() => process.exit(130))
  })
}

interface Known {
  readonly postgresUrl: string
  /** What a test said of the tree as it is; a test that fails by itself proves nothing. */
  readonly baseline: (test: Named) => Result
  /** What keeps a mutant from compiling. */
  readonly broken: ReadonlyMap<Place, string>
}

const judge = async (
  place: Place,
  copy: Copy.Copy,
  known: Known
): Promise<Pick<Finding, "verdict" | "detail" | "by">> => {
  const said = (verdict: Finding["verdict"], detail: string, by?: Named) => ({ verdict, detail, by })
  const wrong = known.broken.get(place)
  if (wrong !== undefined) return said("broken", wrong)
  const sound = place.caughtBy.filter((test) => known.baseline(test).outcome === "passed")
  if (sound.length === 0) {
    const [test] = place.caughtBy
    const { detail, outcome } = known.baseline(test)
    return said("unproven", `without the bug too: ${nameOf(test)}: ${outcome} ${detail}`)
  }
  const stale = copy.plant(place.edits)
  if (stale !== undefined) return said("stale", stale)
  try {
    for (const test of sound) {
      const resultOf = await runTests(copy.folder, [test], { postgresUrl: known.postgresUrl, boundMs })
      const { detail, outcome } = resultOf(test)
      if (outcome === "failed") return said("caught", detail, test)
      if (outcome === "hang") return said("hang", detail, test)
      if (outcome === "not run") return said("broken", detail, test)
    }
    return said("survived", `not noticed by ${sound.map(nameOf).join(", ")}`)
  } finally {
    copy.restore()
  }
}

const secondsSince = (began: number) => Math.round((performance.now() - began) / 100) / 10

/** What is known before anything is planted. */
const prepare = async (copy: Copy.Copy, places: ReadonlyArray<Place>): Promise<Known> => {
  const began = performance.now()
  const { url: postgresUrl } = await start("postgres", { fsync: false })
  const tests = places.flatMap(({ caughtBy }) => caughtBy)
  const [baseline, broken] = await Promise.all([
    runTests(copy.folder, tests, { postgresUrl, boundMs: baselineBoundMs }),
    brokenTypes(newCopy(), places)
  ])
  const all = new Map(tests.map((test) => [nameOf(test), baseline(test)]))
  const failing = [...all].filter(([, { outcome }]) => outcome !== "passed")
  Screen.say(`${all.size - failing.length} of ${all.size} tests pass without a bug, ${secondsSince(began)} s`)
  for (const [name, { detail, outcome }] of failing) Screen.say(`  ${outcome}: ${name}: ${detail}`)
  return { postgresUrl, baseline, broken }
}

const judgeAll = async (wanted: ReadonlyArray<Mutant>, jobs: number): Promise<ReadonlyArray<Finding>> => {
  const all = wanted.flatMap((mutant) => mutant.places.map((place) => ({ mutant, place })))
  Screen.say(`${wanted.length} mutants at ${all.length} places; first the same tests without a bug`)
  const first = newCopy()
  const known = await prepare(first, all.map(({ place }) => place))
  const findings: Array<Finding> = []
  const waiting = [...all]
  const work = async (copy: Copy.Copy) => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const began = performance.now()
      Screen.progress(findings.length, all.length, next.mutant.name)
      const finding = { ...next, ...await judge(next.place, copy, known), seconds: secondsSince(began) }
      findings.push(finding)
      Screen.told(findings.length, all.length, finding)
    }
  }
  await Promise.all([first, ...Array.from({ length: jobs - 1 }, newCopy)].map(work))
  return all.map(({ place }) => findings.find((finding) => finding.place === place)!)
}

const main = async () => {
  const { jobs, json, wanted } = readArguments()
  const began = performance.now()
  const findings = await judgeAll(wanted, jobs)
  const missed = new Set(findings.filter((finding) => !isCaught(finding)).map(({ mutant }) => mutant.name))
  const caught = new Set(wanted.map(({ name }) => name).filter((name) => !missed.has(name)))
  const seconds = secondsSince(began)
  Screen.table(findings)
  if (missed.size > 0) Screen.say(`not caught: ${[...missed].join(", ")}`)
  if (json !== undefined) {
    Fs.writeFileSync(json, `${JSON.stringify(Screen.asJson(findings, caught, wanted.length, seconds), null, 2)}\n`)
  }
  Screen.say(`${findings.filter(isCaught).length} of ${findings.length} places, ${Math.round(seconds)} s`)
  Screen.say(`${caught.size}/${wanted.length}`)
  return missed.size === 0 ? 0 : 1
}

const code = await main().catch((error: unknown) => {
  // What is stopped half-way fails in one way or another.
  if (!stopping) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  return 1
})
await cleanUp()
process.exit(code)
