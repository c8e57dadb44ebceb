/** How a program ended that was not told to. */
import { type Program, until } from "./Programs.ts"

const ended = (program: Program) =>
  until("the program to end", () => {
    const { exitCode, signalCode, stderr, stdout } = program.process
    const over = (exitCode !== null || signalCode !== null) && stderr!.readableEnded && stdout!.readableEnded
    return over && { code: exitCode, signal: signalCode, errors: program.errors(), output: program.output() }
  })

/** Ended by itself with `code`, and said why in these lines of standard error, of which each matches its pattern. */
export const saidWhy = async (program: Program, code: number, patterns: ReadonlyArray<RegExp>) => {
  const end = await ended(program)
  const lines = end.errors.split("\n").filter((line) => line !== "")
  const fits = lines.length === patterns.length && patterns.every((pattern, at) => pattern.test(lines[at]!))
  if (end.code !== code || !fits) {
    throw new Error(`it ended with ${end.code ?? end.signal} and said:\n${end.errors}\nstdout:\n${end.output}`)
  }
  return lines
}
