#!/usr/bin/env node
/**
 * Records what a real Jaeger answers about real writes: one that went well, one retried, one dead, one whose worker
 * was killed. The tests of `wordloom trace verify` read these files.
 *
 *     node infra/demos/record-traces.js FOLDER
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { messageOf, until } from "./patience.js"
import { step } from "./screen.js"
import { clearStage, setStage } from "./stage.js"

/** @import { Stage } from "./stage.js" */

const [, , folder = ""] = process.argv

/**
 * @param {string} url
 */
const json = async (url) => {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
  return /** @type {any} */ (await response.json())
}

/**
 * @param {Stage} stage
 * @param {string} name
 * @param {string} traceId
 * @param {(names: string[]) => boolean} isWhole
 */
const record = async ({ jaeger }, name, traceId, isWhole) => {
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
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ trace, workers })}\n`)
  step("recorded", `${name}: ${trace.data[0].spans.length} spans, ${workers.length} batches, trace ${traceId}`)
}

/**
 * @param {string[]} names
 * @param {string} name
 */
const count = (names, name) => names.filter((other) => other === name).length

const play = async () => {
  mkdirSync(folder, { recursive: true })
  const stage = await setStage({ OUTBOX_LEASE: "3s", OUTBOX_BACKOFF_BASE: "200ms", OUTBOX_BACKOFF_CAP: "400ms" })
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
process.exit()
