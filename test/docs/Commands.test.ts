/** Every command of docs/lab.md and docs/runbook.md, run in order by a shell against the real programs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { missing, start } from "../../infra/servers.js"
import { reservePorts } from "../../infra/servers/system.js"
import { folder } from "../cli/Commands.ts"
import { freshDatabase, urlOf } from "../support/PostgresForTests.ts"

const root = join(import.meta.dirname, "../..")
const isFull = process.env["WORDLOOM_FULL"] === "1"
const lacking = isFull ? missing("elasticsearch") ?? missing("jaeger") : "only with `npm run test:full`"
if (lacking !== undefined) console.warn(`The documents' commands for Elasticsearch and Jaeger are not run: ${lacking}`)

/** `sh`: run. `program`: in a terminal of its own, until the end. `full`: needs the servers. `servers`: starts them. */
const blocksOf = (page: string) =>
  [...readFileSync(join(root, "docs", page), "utf8").matchAll(/^```(.*)\n([^]*?)^```$/gm)].map(([, info, text]) => ({
    page,
    marks: info!.split(" "),
    text: text!
  }))

const blocks = [...blocksOf("lab.md"), ...blocksOf("runbook.md")]

/** One shell for all, as for a person who follows the pages; what runs in its own terminal ends with it. */
const scriptOf = (withServers: boolean) => {
  const run = blocks.filter(({ marks }) => !marks.includes("servers") && (withServers || !marks.includes("full")))
  const parts = run.map(({ marks, page, text }) =>
    marks.includes("program")
      ? `(exec ${text.trim().replace(/^((?:\w+=\S+ )*)/, "env $1")}) >"$LOGS/$((at++)).log" 2>&1 &\n`
      : `echo "# ${page}"\n${text}`
  )
  return ["set -euo pipefail", "at=0", "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT", ...parts].join("\n")
}

const runShell = (script: string, env: Readonly<Record<string, string>>) =>
  Effect.promise(async () => {
    const child = spawn("bash", ["-c", script], {
      cwd: root,
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    const keep = (text: string) => {
      output += text
    }
    child.stdout.setEncoding("utf8").on("data", keep)
    child.stderr.setEncoding("utf8").on("data", keep)
    const [code] = await once(child, "close")
    return { code: code as number | null, output }
  })

const server = <const Name extends "elasticsearch" | "jaeger">(name: Name) =>
  Effect.acquireRelease(Effect.promise(() => start(name)), (started) => Effect.promise(() => started.stop()))

/** The pages' usual ports become those of this test. */
const placed = Effect.fnUntraced(function*(script: string) {
  const database = urlOf(yield* freshDatabase)
  const logs = yield* folder
  const { api, health, metrics } = yield* Effect.promise(() => reservePorts({ api: 0, health: 0, metrics: 0 }))
  const snapshots = yield* folder
  const places: Array<readonly [string, string]> = [
    ["localhost:8000", `127.0.0.1:${api}`],
    ["docs/architecture/runbook/labs/_snapshots", snapshots]
  ]
  if (lacking === undefined) {
    const [elasticsearch, jaeger] = yield* Effect.all([server("elasticsearch"), server("jaeger")], { concurrency: 2 })
    places.push(
      ["postgresql+psycopg://wordloom:wordloom@localhost:5435/wordloom_test", database.replace(":", "+psycopg:")],
      ["http://localhost:9200", elasticsearch.url],
      ["http://localhost:16686", jaeger.urls.query],
      ["http://localhost:4318", jaeger.urls.otlp]
    )
  }
  const env = {
    DATABASE_URL: database,
    WORDLOOM_HTTP_PORT: String(api),
    OUTBOX_HTTP_PORT: String(health),
    OUTBOX_METRICS_PORT: String(metrics),
    WORDLOOM_TRACING: "local",
    LOGS: logs
  }
  const text = places.reduce((all, [usual, own]) => all.replaceAll(usual, own), script)
  // The switch of the page must be the one that decides.
  return { script: lacking === undefined ? `unset WORDLOOM_TRACING\n${text}` : text, env }
})

/** Some thirty programs start, one after the other. */
const hangAfterMs = 600_000

describe("the commands of the lab and of the runbook", () => {
  it("are all marked as something that is run", () => {
    const known = ["sh", "program", "full", "servers"]
    assert.isAbove(blocks.length, 10)
    for (const { marks, text } of blocks) {
      assert.strictEqual(marks[0], "sh", text)
      assert.includeMembers(known, marks, text)
    }
    assert.deepStrictEqual(
      blocks.filter(({ marks }) => marks.includes("servers")).map(({ text }) => text),
      ["npm run infra -- --sop postgres elasticsearch jaeger\n"]
    )
  })

  it.live("do what the pages say", () =>
    Effect.gen(function*() {
      const { env, script } = yield* placed(scriptOf(lacking === undefined))
      const { code, output } = yield* runShell(script, env)
      assert.strictEqual(code, 0, output)
      assert.match(output, /waits in the search outbox/)
      assert.match(output, /is searchable: searches show v1/)
      if (lacking !== undefined) return
      assert.lengthOf(output.match(/^PASS {2}trace /gm) ?? [], 2)
      assert.match(output, /^removed 0, kept 2$/m)
    }).pipe(Effect.scoped), hangAfterMs)
})
