#!/usr/bin/env node
/**
 * A worker that comes back from the dead changes nothing: stopped in the middle of a delivery, it outlives its lease,
 * another worker takes its row over, and its late settlement finds nothing that it still holds.
 *
 *     node infra/demos/zombie.js      starts all it needs, ends all it started; exit 0 when every check passed
 */
import { randomBytes } from "node:crypto"
import { start, stopAll } from "../servers.js"
import { reservePorts } from "../servers/system.js"
import { connect } from "./database.js"
import { ask, trouble, until } from "./patience.js"
import { perform } from "./perform.js"
import { freeze, startProgram, stopPrograms, untilReady } from "./processes.js"
import { paint, step } from "./screen.js"
import { receiveSpans } from "./spans.js"
import { guardMisses, isTold, report, timeOf, wroteLate } from "./zombie-report.js"

/** @import { Database } from "./database.js" */
/** @import { Receiver } from "./spans.js" */

/** @typedef {Awaited<ReturnType<typeof setStage>>} Stage */

/** Short, so that nobody waits long for its end; a living worker lengthens it every third of it. */
const lease = "2s"

/**
 * What a delivery reads first. Were the engine's own table locked instead, PostgreSQL would finish the stopped worker's
 * write as soon as the lock is gone, and the second worker would find its work done.
 */
const lockedTable = "tags"

/** @type {{ receiver?: Receiver, database?: Database }} */
const held = {}

const clearStage = async () => {
  // A worker that waits for the lock would take its whole grace to end.
  await held.database?.releaseAll().catch(() => {})
  await stopPrograms()
  held.receiver?.stop()
  await held.database?.close()
  await stopAll()
}

const setStage = async () => {
  const receiver = held.receiver = await receiveSpans()
  const postgres = await start("postgres", { fsync: false })
  trouble.signal.throwIfAborted()
  const ports = await reservePorts({ api: 0, healthA: 0, metricsA: 0, healthB: 0, metricsB: 0 })
  const shared = {
    DATABASE_URL: postgres.url,
    WORDLOOM_SEARCH: "postgres",
    WORDLOOM_SHUTDOWN_GRACE: "2s",
    WORDLOOM_TRACING_ENABLED: "1",
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_BSP_SCHEDULE_DELAY: "100"
  }
  const api = `http://127.0.0.1:${ports.api}`
  const program = startProgram("api.js", "the API", { ...shared, WORDLOOM_HTTP_PORT: String(ports.api) })
  await untilReady(program, api)
  const database = held.database = await connect(postgres.url)

  const startWorker = (/** @type {string} */ id, /** @type {number} */ health, /** @type {number} */ metrics) => ({
    program: startProgram("worker.js", id, {
      ...shared,
      OUTBOX_WORKER_ID: id,
      OUTBOX_PROJECTIONS: "search",
      OUTBOX_LEASE: lease,
      OUTBOX_HTTP_PORT: String(health),
      OUTBOX_METRICS_PORT: String(metrics),
      OTEL_RESOURCE_ATTRIBUTES: `service.instance.id=${id}`
    }),
    metrics: async () => (await ask(`http://127.0.0.1:${metrics}/metrics`)).text
  })
  return {
    api,
    database,
    receiver,
    startA: () => startWorker("worker-a", ports.healthA, ports.metricsA),
    startB: () => startWorker("worker-b", ports.healthB, ports.metricsB)
  }
}

/**
 * The caller's own trace: all that follows must be told in it.
 * @param {Stage} stage
 */
const postTag = async ({ api, database }) => {
  const traceId = randomBytes(16).toString("hex")
  const name = `zombie ${traceId.slice(0, 8)}`
  const { status, text } = await ask(`${api}/api/v1/tags`, {
    method: "POST",
    headers: { "content-type": "application/json", traceparent: `00-${traceId}-${randomBytes(8).toString("hex")}-01` },
    body: JSON.stringify({ name, color: "#336699" })
  })
  if (status !== 201) throw new Error(`POST /api/v1/tags was answered with ${status}: ${text}`)
  const row = await until("the tag's row in search_outbox_events", () => database.eventOf(traceId))
  step("caller", `POST /api/v1/tags {"name": "${name}"} is answered with 201, trace ${traceId}`)
  step("outbox", `row ${row.id} of search_outbox_events is ${row.status}: no worker runs yet`)
  return { traceId, name }
}

/**
 * @param {Stage} stage
 * @param {string} traceId
 */
const hangAndFreezeA = async ({ database, startA }, traceId) => {
  const release = await database.lock(lockedTable)
  step("demo", `locks the table ${lockedTable}, which a delivery must read before it writes to search`)
  const a = startA()
  step("worker-a", `starts as process ${a.program.pid}, with a lease of ${lease}`)
  const claimed = await until("worker-a to claim the row", async () => {
    const row = await database.eventOf(traceId)
    return row?.status === "processing" && row.lease_owner === "worker-a" && row
  })
  const leaseUntil = timeOf(claimed.lease_until ?? "")
  step("worker-a", `has claimed the row: ${claimed.status}, attempt ${claimed.attempts}, leased until ${leaseUntil}`)
  await until("worker-a to hang in its delivery", () => database.isWaitedFor(lockedTable))
  step("worker-a", "hangs in the middle of its delivery: PostgreSQL lets it wait for the lock")
  await freeze(a.program)
  step("worker-a", paint("yellow", "SIGSTOP: it stands still, and so does the heartbeat of its lease"))
  await release()
  step("demo", "releases the lock; PostgreSQL's answer waits for a worker that does not hear")
  return a
}

/**
 * @param {Stage} stage
 * @param {string} traceId
 */
const takeOver = async ({ database, startB }, traceId) => {
  const overBy = await until("the lease to end", () => database.leaseOverSince(traceId))
  step("outbox", `the lease is over by the database's clock, since ${overBy} ms`)
  const b = startB()
  step("worker-b", `starts as process ${b.program.pid}`)
  const done = await until("worker-b to finish the row", async () => {
    const row = await database.eventOf(traceId)
    return row?.status === "done" && row
  })
  step("worker-b", `takes the row over, writes, settles: ${paint("green", done.status)}, attempt ${done.attempts}`)
  return { b, done }
}

const play = async () => {
  step("demo", "starts PostgreSQL and the API")
  const stage = await setStage()
  const { database, receiver } = stage
  const { name, traceId } = await postTag(stage)
  const a = await hangAndFreezeA(stage, traceId)
  const { b, done } = await takeOver(stage, traceId)

  a.program.signal("SIGCONT")
  step("worker-a", paint("yellow", "SIGCONT: it goes on where it stood, and knows nothing of all this"))
  const metric = await until(`${guardMisses} of worker-a`, async () => guardMisses.exec(await a.metrics())?.[0])
  step("worker-a", "comes too late to settle, and has counted that")
  const spans = await until("both attempts in the trace", () => {
    const received = receiver.traceOf(traceId)
    return isTold(received) && received
  })
  step(
    "worker-a",
    wroteLate(spans) ? "had written to search once more before that" : "had not written to search any more"
  )
  step("demo", `has received the whole trace: ${spans.length} spans`)
  return report({
    name,
    traceId,
    metric,
    spans,
    before: done,
    after: await database.eventOf(traceId),
    attempts: await database.attemptsOf(done.id),
    metricB: guardMisses.exec(await b.metrics())?.[0],
    found: (await ask(`${stage.api}/api/v1/search?kind=tag&q=${encodeURIComponent(name)}`)).text
  })
}

await perform(play, clearStage)
