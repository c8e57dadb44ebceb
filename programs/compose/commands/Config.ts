/** `wordloom config`: every setting, where its value came from, and every mistake. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { describe, type Effective, notices, read } from "../../../src/settings/Settings.ts"
import * as Output from "./Output.ts"

const columns: ReadonlyArray<Output.Column<Effective & { readonly wrong: boolean }>> = [
  { title: "SETTING", text: ({ name }) => name, color: ({ wrong }) => wrong ? Output.red : Output.bold },
  {
    title: "VALUE",
    text: ({ value }) => value === "" ? "-" : value,
    color: ({ source }) => source === "default" ? Output.dim : Output.green
  },
  { title: "FROM", text: ({ source }) => source, color: () => Output.dim },
  { title: "MEANING", text: ({ meaning }) => meaning, color: () => Output.dim }
]

export const run = Effect.fnUntraced(function*({ json }: { readonly json: boolean }) {
  const outcome = read(process.env)
  const mistakes = Result.isFailure(outcome) ? outcome.failure.mistakes : []
  const wrong = new Set(mistakes.map(({ name }) => name))
  const settings = describe(process.env)
  yield* json
    ? Output.printJson({ settings, mistakes })
    : Output.print(Output.table(columns, settings.map((one) => ({ ...one, wrong: wrong.has(one.source) }))))
  if (Result.isFailure(outcome)) return yield* outcome.failure
  for (const notice of notices(process.env, outcome.success)) yield* Output.tell(`note: ${notice}`)
})
