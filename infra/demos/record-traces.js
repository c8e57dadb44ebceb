#!/usr/bin/env node
/**
 * Records what a real Jaeger and a real Tempo answer about the same real writes: some that went well, one retried, one
 * dead, one whose worker was killed. The tests of `wordloom trace verify` read these files.
 *
 *     node infra/demos/record-traces.js FOLDER
 */
import { once } from "node:events"
import { mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { start, stopAll } from "../servers.js"
import { messageOf, until } from "./patience.js"
import { step } from "./screen.js"
import { clearStage, setStage } from "./stage.js"

/** @import { Stage } from "./stage.js" */

const [, , folder = ""] = process.argv

/**
 * Sends on all that it gets, to several.
 * @param {string[]} targets
 */
const teeTo = async (targets) => {
  const server = createServer((asked, response) => {
    /** @type {Buffer[]} */
    const chunks = []
    asked.on("data", (/** @type {Buffer} */ chunk) => chunks.push(chunk)).on("end", async () => {
      const headers = { "content-type": asked.headers["content-type"] ?? "" }
      const sent = { method: "POST", headers, body: Buffer.concat(chunks) }
      const answers = await Promise.all(targets.map((target) => fetch(`${target}${asked.url}`, sent)))
      response.writeHead(answers.find(({ ok }) => !ok)?.status ?? 200, { "content-type": "application/json" }).end("{}")
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  server.unref()
  const address = /** @type {import("node:net").AddressInfo} */ (server.address())
  return `http://127.0.0.1:${address.port}`
}

/**
 * @param {string} url
 */
const json = async (url) => {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
  return /** @type {any} */ (await response.json())
}

/**
 * @param {Stage & { tempo: string }} stage
 * @param {string} name
 * @param {string} traceId
 * @param {(names: string[]) => boolean} isWhole
 */
const record = async ({ jaeger, tempo }, name, traceId, isWhole) => {
  const base = `${jaeger.urls.query}/api/traces`
  const trace = await until(`${name} in Jaeger`, async () => {
    const answer = await json(`${base}/${traceId}`)
    const names = answer.data?.[0]?.spans.map((/** @type {any} */ span) => span.operationName) ?? []
    return isWhole(names) && answer
  })
  const links = trace.data[0].spans
    .filter((/** @type {any} */ span) => span.operationName === "outbox.process")
    .flatMap((/** @type {any} */ span) => span.references)
    .filter((/** @type {any} */ reference) => reference.traceID !== traceId)
  const ids = /** @type {string[]} */ ([...new Set(links.map((/** @type {any} */ link) => link.traceID))])
  const workers = await Promise.all(
    ids.map((id) =>
      until(`the batch ${id} in Jaeger`, async () => {
        const answer = await json(`${base}/${id}`)
        return answer.data?.[0]?.spans.some((/** @type {any} */ span) => span.operationName === "outbox_worker.loop") &&
          answer
      })
    )
  )
  writeFileSync(join(folder, `jaeger-${name}.json`), `${JSON.stringify({ trace, workers })}\n`)
  const [same, ...batches] = await Promise.all([traceId, ...ids].map((id) => json(`${tempo}/api/traces/${id}`)))
  writeFileSync(join(folder, `tempo-${name}.json`), `${JSON.stringify({ trace: same, workers: batches })}\n`)
  step("recorded", `${name}: ${trace.data[0].spans.length} spans, ${workers.length} batches, trace ${traceId}`)
}

/**
 * @param {string[]} names
 * @param {string} name
 */
const count = (names, name) => names.filter((other) => other === name).length

const play = async () => {
  mkdirSync(folder, { recursive: true })
  const kept = await start("tempo")
  const quick = { OUTBOX_LEASE: "3s", OUTBOX_BACKOFF_BASE: "200ms", OUTBOX_BACKOFF_CAP: "400ms" }
  const stage = { ...await setStage(quick, (otlp) => teeTo([otlp, kept.urls.otlp])), tempo: kept.urls.query }
  const { engine, startWorker, write } = stage
  let worker = await startWorker("worker-a")
  const both = (/** @type {string[]} */ names) =>
    count(names, "outbox.process") === 2 && names[0] !== undefined &&
    names.some((name) => / \/api\//.test(name))
  const tag = await write("POST", "tags", { name: "recorded", color: "#336699" })
  await record(stage, "tag", tag.traceId, both)
  const library = await write("POST", "libraries", { name: "recorded" })
  await record(stage, "library", library.traceId, both)
  const block = await write("POST", "blocks", { library_id: library.id, title: "one", body: "x", tag_ids: [tag.id] })
  await record(stage, "block", block.traceId, both)
  engine.next(["429", "503"])
  const retried = await write("PATCH", `blocks/${block.id}`, { title: "two" })
  await record(stage, "retried", retried.traceId, (names) => count(names, "outbox.process") === 4)
  engine.next(["rejects"])
  const dead = await write("PATCH", `blocks/${block.id}`, { title: "three" })
  await record(stage, "dead", dead.traceId, (names) => count(names, "outbox.dead_letter") === 1 && both(names))
  engine.next(["hang"])
  const lost = await write("PATCH", `blocks/${block.id}`, { title: "four" })
  await until("the bulk request that hangs", () => engine.met.at(-1) === "hang")
  // What a killed process has not exported yet is never told.
  await until("the chronicle's half in Jaeger", async () => {
    const { data } = await json(`${stage.jaeger.urls.query}/api/traces/${lost.traceId}`)
    return data?.[0]?.spans.some((/** @type {any} */ span) => span.operationName === "outbox.process")
  })
  worker.kill()
  step("killed", "worker-a, in the middle of a bulk request")
  worker = await startWorker("worker-b")
  await record(
    stage,
    "lost",
    lost.traceId,
    (names) => count(names, "outbox.attempt_lost") === 1 && count(names, "outbox.process") === 2
  )
}

try {
  if (folder === "") throw new Error("which folder?")
  await play()
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 1
}
await clearStage()
await stopAll()
process.exit()
