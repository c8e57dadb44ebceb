/** Asks explain the same by the API, the command and the page, and takes them at their word only if they agree. */
import { assert } from "@effect/vitest"
import type { Explanation } from "../../src/explain/Explanation.ts"
import { missingBrowser, openBrowser, openTab } from "./Browser.ts"
import { startProgram, until } from "./Programs.ts"
import type { RunningApi } from "./RunningApi.ts"

export interface Answered {
  readonly explanation: Explanation
  readonly code: number | null
  readonly text: string
}

const exitOf = ({ in_place, verdict }: Explanation) =>
  in_place === true ? 0 : in_place === null || verdict === "not_found" ? 2 : 1

/** The command as a process: what it printed, and how it ended. */
export const command = async (env: Readonly<Record<string, string>>, args: ReadonlyArray<string>) => {
  const program = startProgram("wordloom", env, ["explain", ...args])
  await program.ended
  return { code: program.process.exitCode, out: program.output(), err: program.errors() }
}

const argumentsOf = (by: string, value: string) =>
  by === "event" ? ["--event", value] : by.endsWith("_id") ? [`--${by.replace("_", "-")}`, value] : [`${by}/${value}`]

export interface ExplainPage {
  /** What the page says of it is this verdict. */
  readonly names: (by: string, value: string, verdict: string) => Promise<unknown>
  readonly close: () => Promise<void>
}

/** In a real browser; without one the page is left out, visibly. */
export const explainPage = async (base: string): Promise<ExplainPage | undefined> => {
  if (missingBrowser !== undefined) {
    console.warn(`The page is not asked: ${missingBrowser}`)
    return undefined
  }
  const browser = await openBrowser()
  const { page } = await openTab(browser, { base })
  return {
    names: async (by, value, verdict) => {
      await page.goto(`/explain?${by}=${encodeURIComponent(value)}`)
      // It looks again by itself while a change is under way.
      return until(`the page to say ${verdict}`, async () => {
        const said = await page.locator(".said-of").first().innerText()
        return said.split("\n").includes(verdict.replaceAll("_", " "))
      })
    },
    close: () => browser.close()
  }
}

export const asking =
  (running: Pick<RunningApi, "call">, env: Readonly<Record<string, string>>, page: ExplainPage | undefined) =>
  async (by: Explanation["asked"]["by"], value: string): Promise<Explanation> => {
    const answer = await running.call("GET", `/api/v1/explain?${by}=${encodeURIComponent(value)}`)
    assert.strictEqual(answer.status, 200, answer.text)
    const explanation = answer.body as Explanation
    assert.deepInclude(explanation.asked, { by, value })
    assert.notInclude(explanation.sentence, "undefined")
    const { code, err, out } = await command(env, [...argumentsOf(by, value), "--json"])
    const told = JSON.parse(out) as Explanation
    assert.strictEqual(told.verdict, explanation.verdict, `${out}${answer.text}`)
    assert.strictEqual(code, exitOf(explanation), err)
    await page?.names(by, value, explanation.verdict)
    return explanation
  }
