/** Asks explain the same by the API and by the command, and takes them at their word only if they agree. */
import { assert } from "@effect/vitest"
import type { Explanation } from "../../src/explain/Explanation.ts"
import { startProgram } from "./Programs.ts"
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

export const asking =
  (running: RunningApi, env: Readonly<Record<string, string>>) =>
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
    return explanation
  }
