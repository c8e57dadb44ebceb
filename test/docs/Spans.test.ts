/** docs/spans.md against the sources: no span goes without a word, and what it asks of Tempo is TraceQL. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { rules, values } from "../../src/trace/SpanRules.ts"
import { documented, mistakes } from "../support/TraceQueries.ts"

const root = new URL("../../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")
const page = read("docs/spans.md")

const sources = ["src", "layers"].flatMap((folder) =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts")).map(
    (path) => read(`${folder}/${path}`)
  )
)

/** As they are written where they are made; `es.${operation}` is `es.{operation}` on the page. */
const made = sources.flatMap((text) =>
  [...text.matchAll(/\b(?:withSpan|makeSpan|begin|timed)\(\s*["`]([^"`]+)["`]/g)].map(([, name]) =>
    name!.replace("${", "{")
  )
)

describe("docs/spans.md", () => {
  it("names every span that is made, and every one that traces are held against", () => {
    const all = new Set([...made, ...Object.keys(rules), "http-request", "handle_payload"])
    assert.isAbove(all.size, 30)
    const named = new Set(page.split(/[\s`]+/))
    assert.deepStrictEqual([...all].filter((name) => !named.has(name)), [])
  })

  it("names what each of them carries, and every word that there is for it", () => {
    const words = Object.values(rules).flatMap(({ carries }) => carries).concat(values["outcome"]!, values["result"]!)
    assert.deepStrictEqual([...new Set(words)].filter((word) => !page.includes(word)), [])
  })

  it("asks Tempo in TraceQL", () => {
    assert.isAbove(documented.length, 5)
    for (const query of documented) assert.deepStrictEqual(mistakes(query), [], query)
    assert.isNotEmpty(mistakes("{ name = }"))
  })
})
