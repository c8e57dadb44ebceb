/** `wordloom doctor` as people run it, and what it finds. */
import type { Finding } from "../../src/doctor/Finding.ts"
import { type Program, startProgram } from "./Programs.ts"

export interface Seen {
  readonly code: number | null
  readonly healthy: boolean
  readonly findings: ReadonlyArray<Finding>
  readonly failed: ReadonlyArray<string>
  readonly of: (id: string) => Finding
}

export const askDoctor = async (
  env: Readonly<Record<string, string>>,
  ...args: ReadonlyArray<string>
): Promise<Seen> => {
  const program: Program = startProgram("wordloom", env, ["doctor", "--json", ...args])
  await program.ended
  const said = program.output()
  if (said === "") throw new Error(program.errors())
  const { findings, healthy } = JSON.parse(said) as Pick<Seen, "findings" | "healthy">
  return {
    code: program.process.exitCode,
    healthy,
    findings,
    failed: findings.filter(({ health }) => health === "fail").map(({ id }) => id),
    of: (id) => findings.find((each) => each.id === id)!
  }
}
