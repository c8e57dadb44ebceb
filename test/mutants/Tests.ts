/** Runs named tests in a copy of the tree, and answers what became of each. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { run } from "./Commands.ts"
import type { Named } from "./Mutant.ts"

/** What vitest's JSON reporter writes; only what is looked at here. */
interface Report {
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly message: string
    readonly assertionResults: ReadonlyArray<{
      readonly title: string
      readonly status: string
      readonly failureMessages: ReadonlyArray<string>
    }>
  }>
}

export interface Result {
  readonly outcome: "passed" | "failed" | "hang" | "not run"
  /** The first line of what it said. */
  readonly detail: string
}

/** Colours, and the cause's stack, are for whoever runs the test by hand. */
// oxlint-disable-next-line no-control-regex -- that is what colours begin with
const colours = /\u001b\[[\d;]*m/g
const firstLine = (text: string) => text.replaceAll(colours, "").trim().split("\n", 1)[0]!.slice(0, 160)

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)

const timedOut = /(Test|Hook) timed out in \d+ms/

const readReport = (path: string): Report | undefined => {
  try {
    return JSON.parse(Fs.readFileSync(path, "utf8")) as Report
  } catch {
    return undefined
  }
}

const resultIn = (report: Report, folder: string, { file, test }: Named): Result => {
  const found = report.testResults.find(({ name }) => Path.relative(folder, name) === file)
  const all = found?.assertionResults.filter(({ title }) => title === test) ?? []
  const failed = all.find(({ status }) => status === "failed")
  if (failed !== undefined) {
    const detail = failed.failureMessages[0] ?? "it failed without a word"
    return { outcome: timedOut.test(detail) ? "hang" : "failed", detail: firstLine(detail) }
  }
  return all.some(({ status }) => status === "passed")
    ? { outcome: "passed", detail: "" }
    : { outcome: "not run", detail: firstLine(found?.message || "no such test") }
}

/** By their names as `nameOf` writes them; all in one run. */
export const runTests = async (
  folder: string,
  tests: ReadonlyArray<Named>,
  options: { readonly postgresUrl: string; readonly boundMs: number }
) => {
  const files = [...new Set(tests.map(({ file }) => file))]
  const names = [...new Set(tests.map(({ test }) => escaped(test)))]
  const path = Path.join(folder, "report.json")
  Fs.rmSync(path, { force: true })
  const { code, output } = await run(folder, process.execPath, [
    Path.join(folder, "node_modules/vitest/vitest.mjs"),
    "run",
    ...files,
    "--root",
    folder,
    "--config",
    Path.join(folder, "test/mutants/vitest.config.ts"),
    "--configLoader",
    "native",
    "--testNamePattern",
    `(^| )(${names.join("|")})$`,
    "--reporter=json",
    `--outputFile=${path}`
  ], { boundMs: options.boundMs, env: { WORDLOOM_TEST_POSTGRES_URL: options.postgresUrl, CI: "true" } })
  const report = readReport(path)
  return (test: Named): Result => {
    if (report !== undefined) return resultIn(report, folder, test)
    if (code === null) return { outcome: "hang", detail: `no end within ${options.boundMs / 1_000} s` }
    return { outcome: "not run", detail: firstLine(output.split("\n").findLast((line) => line.trim() !== "") ?? "") }
  }
}
