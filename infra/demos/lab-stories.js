/** The four stories of the lab: what is broken, what happens then, and what must be said of it. */
import { setTimeout as pause } from "node:timers/promises"
import { until } from "./patience.js"
import { freeze } from "./processes.js"
import { step } from "./screen.js"

/** @import { Stage } from "./stage.js" */

/** @typedef {{ passed: boolean, what: string, found: string }} Check */

/**
 * @param {string} what
 * @param {boolean} passed
 * @param {unknown} found
 * @returns {Check}
 */
const check = (what, passed, found) => ({
  passed,
  what,
  found: typeof found === "string" ? found : JSON.stringify(found)
})

/**
 * A library and a block in it, both searchable.
 * @param {Stage} stage
 * @param {string} title
 */
const aBlock = async (stage, title) => {
  const library = await stage.write("POST", "libraries", { name: `of ${title}` })
  const block = await stage.write("POST", "blocks", { library_id: library.id, title, body: "lab" })
  await untilSearchable(stage, block.id)
  return block
}

/**
 * @param {Stage} stage
 * @param {string} id
 */
const untilSearchable = async ({ look }, id) =>
  until(`block ${id} to be searchable`, async () => {
    const answer = await look(`explain?block=${id}`)
    return answer.verdict === "searchable" && answer
  })

/**
 * Asks as a person would, and checks the sentence.
 * @param {Stage} stage
 * @param {string} id
 * @param {string} what
 * @param {string} wanted the verdict
 * @param {RegExp} says
 */
const explained = async ({ wordloom }, id, what, wanted, says) => {
  const { answer, code } = await wordloom("explain", `block/${id}`)
  step("explain", answer.sentence)
  const next = answer.steps[0]?.command ?? answer.steps[0]?.text
  if (next !== undefined) step("next", next)
  const passed = answer.verdict === wanted && says.test(answer.sentence) && code === (answer.in_place ? 0 : 1)
  return check(`${what}: ${wanted}`, passed, { code, verdict: answer.verdict, sentence: answer.sentence })
}

/**
 * @param {Stage} stage
 * @param {string} traceId
 * @param {string} what
 */
const verified = async ({ jaeger, wordloom }, traceId, what) => {
  const base = ["--base-url", `${jaeger.urls.query}/api`, "--trace-id", traceId, "--wait", "30s"]
  const { answer } = await wordloom("trace", "verify", ...base)
  const failed = answer.stories.flatMap((/** @type {any} */ story) =>
    story.checks.filter((/** @type {any} */ one) => one.verdict === "FAIL")
  )
  const count = answer.stories[0].checks.length
  step("verify", `${answer.verdict}, ${count} checks of trace ${traceId}`)
  return check(`${what}: one whole trace in Jaeger`, answer.verdict === "PASS", failed)
}

/** Search shows the old title: five breaks, one for each of the five looks (S1-17). */
const search = async (/** @type {Stage} */ stage) => {
  const { database, engine, startWorker, write, wordloom } = stage
  let worker = await startWorker("lab-search")
  const block = await aBlock(stage, "old")
  /** @type {Check[]} */
  const checks = []

  step("break 1", "the write never reached the database: nobody has such a request")
  const never = await wordloom("explain", "--request-id", "lab-never-came").catch((/** @type {Error} */ error) => error)
  const said = never instanceof Error ? never.message : never.answer.sentence
  step("explain", said)
  checks.push(check("1 source of truth not updated: not_found", /No change of request lab-never-came/.test(said), said))

  step("break 2", "somebody changes the title by SQL, past the outbox")
  await database.changePast(block.id, "by hand")
  checks.push(await explained(stage, block.id, "2 no outbox row", "never_enqueued", /was never enqueued/))
  await write("PATCH", `blocks/${block.id}`, { title: "through the API" })
  await untilSearchable(stage, block.id)

  step("break 3", "no worker runs")
  await worker.stop()
  const waiting = await write("PATCH", `blocks/${block.id}`, { title: "waiting" })
  checks.push(await explained(stage, block.id, "3 worker did not handle it", "waiting", /no worker drains search/))
  worker = await startWorker("lab-search-2")
  await untilSearchable(stage, block.id)
  checks.push(await verified(stage, waiting.traceId, "3 after a worker was started"))

  step("break 4", "Elasticsearch refuses the document for good")
  engine.next(["rejects"])
  await write("PATCH", `blocks/${block.id}`, { title: "refused" })
  await until("the dead row", async () => (await stage.look(`explain?block=${block.id}`)).verdict === "dead")
  checks.push(
    await explained(stage, block.id, "4 write to Elasticsearch failed", "dead", /is dead in search .*es_mapping/)
  )

  step("break 5", "the engine is slow and much was written before: the lag grows")
  engine.always("slow", 800)
  const library = await write("POST", "libraries", { name: "backlog" })
  for (let at = 0; at < 20; at++) {
    await write("POST", "blocks", { library_id: library.id, title: `backlog ${at}`, body: "" })
  }
  const last = await write("POST", "blocks", { library_id: library.id, title: "last", body: "" })
  checks.push(
    await explained(stage, last.id, "5 the lag grows", "waiting", /waits in the search outbox .*\d+ rows? .*before it/)
  )
  engine.always("pass")
  await untilSearchable(stage, last.id)
  await worker.stop()
  return checks
}

/**
 * The change's way to search, once it is there.
 * @param {Stage} stage
 * @param {string} id
 * @returns {Promise<any>}
 */
const delivery = async (stage, id) => {
  await untilSearchable(stage, id)
  const { answer } = await stage.wordloom("explain", `block/${id}`)
  return answer.changes[0].deliveries[0]
}

/** @param {number} ms */
const shown = (ms) => ms >= 1_000 ? `${(ms / 1_000).toFixed(1)} s` : `${ms.toFixed(0)} ms`

/** The gap between the request and the worker grows from 0.8 s to 20 s (S1-21). */
const gap = async (/** @type {Stage} */ stage) => {
  const { engine, startWorker, write } = stage
  let worker = await startWorker("lab-gap")
  const block = await aBlock(stage, "gap")
  /** @type {Check[]} */
  const checks = []
  for (const seconds of [0.8, 20]) {
    await freeze(worker)
    const { traceId } = await write("PATCH", `blocks/${block.id}`, { title: `gap of ${seconds} s` })
    step("gap", `the only worker stands still for ${seconds} s after the commit`)
    await pause(seconds * 1_000)
    worker.signal("SIGCONT")
    const { slow, spent } = await delivery(stage, block.id)
    step(
      "explain",
      `queue ${shown(spent.queue)}, engine ${shown(spent.engine)}: ${slow?.sentence ?? "nothing was slow"}`
    )
    const isRight = seconds < 1
      ? spent.queue >= 800 && spent.queue < 20_000
      : spent.queue >= 20_000 && slow?.cause === "poll" && /nobody looked for it/.test(slow.sentence)
    checks.push(check(`gap of ${seconds} s: the wait is told, and its cause`, isRight, { slow, spent }))
    checks.push(await verified(stage, traceId, `gap of ${seconds} s`))
  }
  step("reclaim", "a worker is killed in the middle of a bulk request: its lease of 4 s must end")
  engine.next(["hang"])
  const before = engine.met.length
  await write("PATCH", `blocks/${block.id}`, { title: "reclaimed" })
  await until("the bulk request that hangs", () => engine.met.length > before)
  worker.kill()
  worker = await startWorker("lab-gap-reclaim")
  const { slow, spent } = await delivery(stage, block.id)
  step("explain", `attempts ${shown(spent.attempts)}: ${slow?.sentence ?? "nothing was slow"}`)
  checks.push(check("a killed worker: the cause is the reclaim", slow?.cause === "reclaim", { slow, spent }))
  await worker.stop()
  return checks
}

/** Elasticsearch's bulk requests grow from 120 ms to 3 s (S1-22). */
const engine = async (/** @type {Stage} */ stage) => {
  const worker = await stage.startWorker("lab-engine")
  const block = await aBlock(stage, "engine")
  /** @type {Check[]} */
  const checks = []
  for (const ms of [120, 3_000]) {
    stage.engine.always("slow", ms)
    const { traceId } = await stage.write("PATCH", `blocks/${block.id}`, { title: `engine of ${ms} ms` })
    const { slow, spent } = await delivery(stage, block.id)
    stage.engine.always("pass")
    step(
      "explain",
      `queue ${shown(spent.queue)}, engine ${shown(spent.engine)}: ${slow?.sentence ?? "nothing was slow"}`
    )
    const isRight = spent.engine >= ms && (ms < 1_000 ? slow?.cause !== "engine_slow" : slow?.cause === "engine_slow")
    checks.push(check(`engine of ${ms} ms: the time is the engine's`, isRight, { slow, spent }))
    checks.push(await verified(stage, traceId, `engine of ${ms} ms`))
  }
  await worker.stop()
  return checks
}

/** One change is tried four times: 429, time-out, 503, ok (S1-16). */
const retry = async (/** @type {Stage} */ stage) => {
  const worker = await stage.startWorker("lab-retry", { OUTBOX_LEASE: "30s" })
  const block = await aBlock(stage, "retry")
  stage.engine.next(["429", "hang", "503"])
  step("retry", "the next bulk requests meet 429, silence until the time-out of 10 s, 503, and then the engine")
  const { traceId } = await stage.write("PATCH", `blocks/${block.id}`, { title: "four attempts" })
  const { attempts, slow, spent } = await delivery(stage, block.id)
  for (const { attempt, error_type, ms, outcome } of attempts) {
    step(`attempt ${attempt}`, `${outcome}${error_type === null ? "" : `, ${error_type}`}, ${shown(ms)}`)
  }
  step("explain", `attempts ${shown(spent.attempts)}, back-off ${shown(spent.backoff)}: ${slow?.sentence}`)
  const told = attempts.map((/** @type {any} */ one) => one.error_type ?? one.outcome)
  const wanted = ["es_429", "timeout", "es_503", "acked"]
  const checks = [
    check("four attempts: 429, time-out, 503, ok", JSON.stringify(told) === JSON.stringify(wanted), told),
    check("the cause is what the engine answered", slow?.cause === "engine_errors", slow),
    await verified(stage, traceId, "four attempts")
  ]
  await worker.stop()
  return checks
}

/** @typedef {keyof typeof stories} StoryName */
export const stories = {
  search: { title: "search shows the old title, five breaks", play: search },
  gap: { title: "the gap before the worker grows from 0.8 s to 20 s", play: gap },
  engine: { title: "Elasticsearch grows from 120 ms to 3 s", play: engine },
  retry: { title: "429, time-out, 503, ok", play: retry }
}
