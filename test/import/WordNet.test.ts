/** The lines that `npm run wordnet` makes are blocks, every one of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { lineOf } from "../../infra/wordnet.js"
import { readLine } from "../../src/import/ImportLine.ts"
import { folder } from "../cli/Commands.ts"

const maker = fileURLToPath(new URL("../../infra/wordnet.js", import.meta.url))

describe("WordNet", () => {
  it("becomes a title of words, a body of what they mean, and a tag of the file they come from", () => {
    assert.deepStrictEqual(
      lineOf(
        "00019769 00 s 02 handy 0 ready_to_hand(p) 0 001 & 00019169 a 0000 | easy to reach; \"found a handy spot\"  "
      ),
      {
        title: "handy, ready to hand",
        body: "easy to reach; \"found a handy spot\"",
        tags: ["adj.all"],
        library: "WordNet"
      }
    )
    assert.deepStrictEqual(
      lineOf("15299225 28 n 01 study_hall 0 001 @ 15168570 n 0000 | a period of time | set aside"),
      {
        title: "study hall",
        body: "a period of time | set aside",
        tags: ["noun.time"],
        library: "WordNet"
      }
    )
  })

  it("leaves out its licence", () => {
    assert.isUndefined(lineOf("  1 This software and database is being provided to you, the LICENSEE, by  "))
  })

  it.live("is as many lines as were asked for", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "below", "wordnet.jsonl")
      execFileSync(process.execPath, [maker, "--limit", "250", "--out", file])
      const lines = readFileSync(file, "utf8").trimEnd().split("\n")
      assert.lengthOf(lines, 250)
      for (const line of lines) assert.strictEqual(readLine(Buffer.from(line), false)._tag, "Block", line)
    }))
})
