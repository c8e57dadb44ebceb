/** Each verdict for real: one thing is broken, and explain names it, over HTTP, on the command line and on the page. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, afterEach, beforeAll } from "vitest"
import type { Explanation } from "../../src/explain/Explanation.ts"
import { asking, command, type ExplainPage, explainPage } from "../support/ExplainAsked.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { created, fresh, newLibrary, newTag, programsEnv, type RunningApi, runningApi } from "../support/RunningApi.ts"

let running: RunningApi
let env: Readonly<Record<string, string>>
let ask: ReturnType<typeof asking>
let page: ExplainPage | undefined
const workers: Array<Program> = []

beforeAll(async () => {
  running = await runningApi({
    env: { WORDLOOM_TRACING: "local", WORDLOOM_TRACE_URL: "http://traces.test/trace/{trace_id}" }
  })
  env = { ...programsEnv(running.database), WORDLOOM_TRACING: "local" }
  page = await explainPage(running.base)
  ask = asking(running, env, page)
})
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop("SIGKILL")))
})
afterAll(async () => {
  await page?.close()
  await running.stop()
})

const query = (...said: Parameters<RunningApi["database"]["query"]>) => running.database.query(...said)

const hire = async (more: Readonly<Record<string, string>> = {}) => {
  const worker = startProgram("worker", { ...env, OUTBOX_POLL_INTERVAL: "50ms", ...more })
  workers.push(worker)
  await worker.printed(/draining/)
  return worker
}

const quiet = () =>
  until("an empty outbox", async () => {
    const [row] = await query(
      "select (select count(*) from outbox_search) + (select count(*) from outbox_chronicle) as n"
    )
    return Number(row!["n"]) === 0
  })

const drained = async () => {
  const worker = await hire()
  await quiet()
  await worker.stop()
}

const verdictBecomes = (verdict: string, by: Explanation["asked"]["by"], value: string) =>
  until(verdict, async () => {
    const { body } = await running.call("GET", `/api/v1/explain?${by}=${value}`)
    if (body.verdict !== verdict) throw new Error(body.sentence as string)
    return true
  })

const tag = () => newTag(running.call)
const answersOf = ({ changes: [change] }: Explanation) => change!.answers.map(({ answer }) => answer)

describe("explain", () => {
  it("says that a change waits, for whom and behind how many", async () => {
    const [first, second] = [await tag(), await tag()]
    const waiting = await ask("tag", second["id"])
    assert.strictEqual(waiting.verdict, "waiting")
    assert.match(waiting.sentence, /: 1 row before it; no worker drains search\.$/)
    assert.deepStrictEqual(waiting.steps, [{ text: "start a worker", command: "node programs/worker.js" }])
    assert.deepStrictEqual(answersOf(waiting), ["yes", "yes", "no", "no", "no"])
    await drained()
    await ask("tag", first["id"])
  })

  it("says that a change is searchable, and where the time went", async () => {
    const { id } = await tag()
    await drained()
    const found = await ask("tag", id)
    assert.strictEqual(found.verdict, "searchable", found.sentence)
    const [change] = found.changes
    assert.deepStrictEqual(answersOf(found), ["yes", "yes", "yes", "yes", "yes"])
    const [search, chronicle] = change!.deliveries
    assert.strictEqual(chronicle!.verdict, "recorded")
    const stages = search!.timeline.map(({ stage }) => stage)
    assert.deepStrictEqual(stages, ["api", "commit", "queue", "load", "engine", "ack", "refresh"])
    const { total, ...spent } = search!.spent
    assert.closeTo(Object.values(spent).reduce((sum: number, ms) => sum + (ms ?? 0), 0), total, 0.1)
    assert.isAbove(spent.engine!, 0)
    assert.strictEqual(change!.trace_url, `http://traces.test/trace/${change!.trace_id}`)
    const byRequest = await ask("request_id", change!.request_id!)
    assert.strictEqual(byRequest.changes[0]!.entity.id, id)
    assert.strictEqual((await ask("trace_id", change!.trace_id!)).changes[0]!.entity.id, id)
    assert.strictEqual((await ask("event", `search/${search!.row!.id}`)).verdict, "searchable")
    assert.strictEqual((await ask("event", `chronicle/${chronicle!.row!.id}`)).verdict, "recorded")
  })

  it("says that a projection is paused, and how to resume it", async () => {
    const { id } = await tag()
    await running.call("POST", "/api/v1/outbox/search/pause", { json: { reason: "a new index" } })
    const paused = await ask("tag", id)
    assert.strictEqual(paused.verdict, "paused")
    assert.include(paused.sentence, "a new index")
    assert.strictEqual(paused.steps[0]!.command, "node programs/wordloom.js outbox resume search")
    await running.call("POST", "/api/v1/outbox/search/resume")
    await drained()
  })

  it("says who has a row and since when, and when that worker has lost its lease", async () => {
    const { id } = await tag()
    const held = await running.database.hold("lock table search_documents in access exclusive mode")
    await hire({ OUTBOX_WORKER_ID: "w-stuck", OUTBOX_LEASE: "1s" })
    await verdictBecomes("leased", "tag", id)
    const leased = await ask("tag", id)
    assert.strictEqual(leased.verdict, "leased")
    assert.match(leased.sentence, /is leased by worker w-stuck since \S+ \(.+ ago, attempt \d+\), until /)
    assert.deepInclude(leased.engine, { name: "postgres", reachable: false })
    // A statement that waits for a lock gives up after five seconds; it must not die between two attempts.
    await verdictBecomes("leased", "tag", id)
    await Promise.all(workers.splice(0).map((worker) => worker.stop("SIGKILL")))
    await verdictBecomes("lease_lost", "tag", id)
    const lost = await ask("tag", id)
    await held.release()
    assert.include(lost.sentence, "worker w-stuck")
    assert.strictEqual(lost.steps[0]!.command, "node programs/worker.js")
    await drained()
    const late = await ask("tag", id)
    assert.deepInclude(late, { verdict: "searchable" })
    assert.include(late.changes[0]!.deliveries[0]!.attempts.map(({ outcome }) => outcome), "lease_lost")
  })

  it("says until when a change backs off and why, and when the breaker is open", async () => {
    const { id } = await tag()
    const away = { ELASTIC_URL: "http://127.0.0.1:1", OUTBOX_PROJECTIONS: "search" }
    await hire({ ...away, OUTBOX_BACKOFF_BASE: "1h", OUTBOX_BACKOFF_CAP: "24h" })
    await verdictBecomes("backing_off", "tag", id)
    const off = await ask("tag", id)
    assert.match(off.sentence, /is backing off until .+: 1 attempt failed, the last with es_/)
    await Promise.all(workers.splice(0).map((worker) => worker.stop("SIGKILL")))
    await query("update outbox_search set due_at = clock_timestamp()")
    await hire({ ...away, OUTBOX_BACKOFF_BASE: "1ms", OUTBOX_BACKOFF_CAP: "1ms", OUTBOX_POLL_INTERVAL: "10ms" })
    // It closes for each try, less and less often: all three must be asked between two of them.
    const open = await until("an open breaker", async () => {
      // Who asks the page for what is over by then waits for it in vain.
      await verdictBecomes("breaker_open", "tag", id)
      const asked = await ask("tag", id)
      assert.strictEqual(asked.verdict, "breaker_open")
      return asked
    }, 100_000)
    assert.match(open.sentence, /the breaker of search is open in 1 worker: es_/)
    await Promise.all(workers.splice(0).map((worker) => worker.stop("SIGKILL")))
    await drained()
  })

  it("says that a row is dead, why, and how to replay it", async () => {
    await query(`create function refuse() returns trigger language plpgsql as $$
      begin raise exception 'no'; end $$`)
    await query("create trigger refuse before insert on search_documents for each row execute function refuse()")
    const { id } = await tag()
    await hire({ OUTBOX_MAX_ATTEMPTS: "1" })
    await verdictBecomes("dead", "tag", id)
    const dead = await ask("tag", id)
    assert.match(dead.sentence, /is dead in search after 1 attempt, because of internal/)
    await query("drop trigger refuse on search_documents")
    const row = dead.changes[0]!.deliveries[0]!.row!
    assert.strictEqual(
      dead.steps[0]!.command,
      `node programs/wordloom.js outbox replay --projection search --id ${row.id}`
    )
    await running.call("POST", `/api/v1/outbox/events/search/${row.id}/replay`)
    await quiet()
    assert.strictEqual((await ask("tag", id)).verdict, "searchable")
  })

  it("says which earlier change of its entity an ordered row waits for", async () => {
    await query(`create function refuse_entry() returns trigger language plpgsql as $$
      begin raise exception 'no'; end $$`)
    await query("create trigger refuse before insert on chronicle_entries for each row execute function refuse_entry()")
    const { id, name } = await tag()
    await hire({ OUTBOX_BACKOFF_BASE: "1h", OUTBOX_BACKOFF_CAP: "24h" })
    await until("the first to fail", async () => {
      const [row] = await query("select attempts from outbox_chronicle where entity_id = $1", id)
      return row?.["attempts"] === 1
    })
    await running.call("PATCH", `/api/v1/tags/${id}`, { json: { name: `${name}!` } })
    const [first, second] = await query("select id from outbox_chronicle where entity_id = $1 order by id", id)
    const blocked = await ask("event", `chronicle/${second!["id"]}`)
    assert.strictEqual(blocked.verdict, "blocked", blocked.sentence)
    assert.strictEqual(blocked.steps[0]!.command, `node programs/wordloom.js explain --event chronicle/${first!["id"]}`)
    await query("drop trigger refuse on chronicle_entries")
    await query("update outbox_chronicle set due_at = clock_timestamp()")
    await quiet()
  })

  it("tells what was written past the product from what the index lost, and from an index that is ahead", async () => {
    const id = "01900000-0000-7000-8000-000000000001"
    await query(`insert into tags (id, name, color) values ('${id}', 'past', '#ffffff')`)
    const never = await ask("tag", id)
    assert.strictEqual(never.verdict, "never_enqueued")
    assert.strictEqual(never.steps[0]!.command, "node programs/wordloom.js reconcile --repair")
    const [other, third] = [await tag(), await tag()]
    await drained()
    await query("delete from search_documents where id = $1", other["id"])
    const drift = await ask("tag", other["id"])
    assert.strictEqual(drift.verdict, "drift", drift.sentence)
    assert.deepStrictEqual(answersOf(drift), ["yes", "yes", "yes", "no", "yes"])
    await query("update search_documents set version = 9, revision = 9 where id = $1", third["id"])
    const ahead = await ask("tag", third["id"])
    assert.strictEqual(ahead.verdict, "index_ahead")
    assert.strictEqual(ahead.steps[0]!.command, "node programs/wordloom.js reindex")
  })

  it("says how to write an entry again that the chronicle has lost, and it is written", async () => {
    const { id } = await tag()
    const [row] = await query("select id from outbox_chronicle where entity_id = $1", id)
    await drained()
    await query("delete from chronicle_entries where entity_id = $1", id)
    const lost = await ask("event", `chronicle/${row!["id"]}`)
    assert.strictEqual(lost.verdict, "drift", lost.sentence)
    const line = lost.steps[0]!.command!
    const replay = startProgram("wordloom", env, line.split(" ").slice(2))
    await replay.ended
    assert.strictEqual(replay.process.exitCode, 0, replay.errors())
    await drained()
    assert.strictEqual((await ask("event", `chronicle/${row!["id"]}`)).verdict, "recorded")
  })

  it("says that a block waits for the new name of its tag", async () => {
    const [label, library] = [await tag(), await newLibrary(running.call)]
    const block = await created(running.call, "blocks", {
      library_id: library["id"],
      title: fresh("block"),
      body: "",
      tag_ids: [label["id"]]
    })
    await drained()
    await running.call("PATCH", `/api/v1/tags/${label["id"]}`, { json: { name: fresh("renamed") } })
    const waiting = await ask("block", block["id"])
    assert.strictEqual(waiting.verdict, "fan_out", waiting.sentence)
    await hire()
    await verdictBecomes("searchable", "block", block["id"])
  })

  it("says that the engine does not answer, and all that the database knows", async () => {
    const { id } = await tag()
    await drained()
    const { code, out } = await command({ ...env, ELASTIC_URL: "http://127.0.0.1:1" }, [`tag/${id}`, "--json"])
    const unknown = JSON.parse(out) as Explanation
    assert.strictEqual(code, 2)
    assert.deepInclude(unknown, { verdict: "index_unknown", in_place: null })
    assert.include(unknown.sentence, "index: unknown, the engine (elasticsearch) does not answer")
    assert.deepStrictEqual(answersOf(unknown), ["yes", "yes", "yes", "unknown", "yes"])
  })

  it("knows what it does not know, and refuses what it cannot read", async () => {
    const id = "01900000-0000-7000-8000-00000000dead"
    assert.strictEqual((await ask("block", id)).verdict, "not_found")
    assert.strictEqual((await ask("request_id", "nobody-asked")).verdict, "not_found")
    assert.strictEqual((await ask("trace_id", "0".repeat(31) + "1")).verdict, "not_found")
    for (const path of ["", "?block=1", `?block=${id}&tag=${id}`, "?event=search", "?trace_id=xyz"]) {
      assert.strictEqual((await running.call("GET", `/api/v1/explain${path}`)).status, 400, path)
    }
    assert.strictEqual((await command(env, ["block/1"])).code, 2)
    const told = await command(env, [`block/${id}`])
    assert.match(told.out, /^There is no such block: .+\n\nnext\n/)
  })
})
