/** The golden fixtures of the lab: what a real Jaeger answered once, and what must go on passing. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { wordloom } from "../cli/Commands.ts"
import { asJaeger, serving } from "../tracestore/RecordedStore.ts"

const root = join(import.meta.dirname, "../..")
const folder = join(root, "docs/architecture/runbook/labs/_snapshots")
const files = ["report.json", "report.txt", "trace.json", "waterfall.svg"]
const bytesMax = 40_000

const golden = readdirSync(folder).filter((name) => name.startsWith("labs-007-golden-"))
const read = (set: string, file: string) => readFileSync(join(folder, set, file), "utf8")
const page = readFileSync(join(root, "docs/lab.md"), "utf8")

describe("the golden fixtures", () => {
  it.live("are one set of each kind, which prune leaves alone", () =>
    Effect.gen(function*() {
      const { code, out } = yield* wordloom(
        ["trace", "snapshots", "prune", "--outdir", folder, "--lab", "labs-007-golden", "--dry-run", "--json"]
      )
      assert.strictEqual(code, 0)
      const { sets } = JSON.parse(out) as { readonly sets: ReadonlyArray<Record<string, unknown>> }
      assert.deepStrictEqual(
        sets.map(({ evidence, keep, name, verdict }) => [name, evidence, verdict, keep]).toSorted(),
        [
          ["labs-007-golden-end-to-end", "end-to-end", "PASS", true],
          ["labs-007-golden-pass", "pass", "PASS", true]
        ]
      )
    }))

  for (const set of golden) {
    it.live(`${set} passes trace verify, as it did when it was taken`, () =>
      Effect.gen(function*() {
        const { request, workers } = JSON.parse(read(set, "trace.json"))
        const { asked, stories } = JSON.parse(read(set, "report.json"))
        const { base } = yield* serving(asJaeger([{ trace: request, workers }]))
        const flags = asked.trace_id === undefined
          ? ["--service", asked.service, "--operation", asked.operation]
          : ["--trace-id", asked.trace_id]
        const again = yield* wordloom(["trace", "verify", "--base-url", base.href, "--wait", "0", "--json", ...flags])
        assert.include(again, { code: 0, err: "" })
        const said = JSON.parse(again.out)
        assert.deepStrictEqual(said.asked, asked)
        assert.deepStrictEqual(said.stories[0].checks, stories[0].checks)
      }))

    it(`${set} is small, is on the page, and tells nothing of the machine`, () => {
      assert.include(page, `\`${set}\``)
      assert.deepStrictEqual(readdirSync(join(folder, set)).toSorted(), files)
      for (const file of files) {
        const text = read(set, file)
        assert.isBelow(text.length, bytesMax, file)
        assert.notMatch(text, /\/(?:home|root|tmp|Users|work)\//, file)
      }
    })
  }
})
