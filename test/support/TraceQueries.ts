/** The questions to Tempo that docs/spans.md gives, and what is wrong with one by Grafana's own grammar. */
import { parser } from "@grafana/lezer-traceql"
import { readFileSync } from "node:fs"

const page = readFileSync(new URL("../../docs/spans.md", import.meta.url), "utf8")

export const documented = [...page.matchAll(/^```traceql\n([^]*?)^```$/gm)].flatMap(([, text]) =>
  text!.trim().split("\n")
)

/** Those that Tempo answers with numbers, and not with traces. */
export const isOfNumbers = (query: string) => /_over_time\(|\brate\(/.test(query)

/** Where it breaks the grammar. */
export const mistakes = (query: string): ReadonlyArray<number> => {
  const at: Array<number> = []
  parser.parse(query).iterate({
    enter: ({ from, type }) => {
      if (type.isError) at.push(from)
    }
  })
  return at
}
