/** A program that is told to stop finishes what it has begun, takes nothing new, and ends with code 0. */
import { assert, describe, it } from "@effect/vitest"
import { Agent, request } from "node:http"
import { connect } from "node:net"
import { afterAll, beforeAll } from "vitest"
import { callerOf } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { listening, logLines, newTag, programsEnv } from "../support/RunningApi.ts"
import { tcpProxy } from "../support/TcpProxy.ts"

describe("stopping", () => {
  let database: OwnDatabase
  const started: Array<Program> = []

  beforeAll(async () => {
    database = await ownDatabase()
  })
  afterAll(async () => {
    await Promise.all(started.map((program) => program.stop("SIGKILL")))
    await database.drop()
  })

  const startApi = async (env: Readonly<Record<string, string>> = {}) => {
    const program = startProgram("api", { ...programsEnv(database), ...env }, [], process.execPath)
    started.push(program)
    const base = await listening(program)
    return { program, base, call: callerOf(base) }
  }

  /** A change that waits for a lock, so that it is in flight for as long as the test wants. */
  const waitingChange = async (call: ReturnType<typeof callerOf>) => {
    const tag = await newTag(call)
    const held = await database.hold(`select from tags where id = '${tag["id"]}' for update`)
    const answer = call("PATCH", `/api/v1/tags/${tag["id"]}`, { json: { color: "#ABCDEF" } })
    answer.catch(() => {})
    await until("the change to wait for the lock", async () => {
      const waiting = await database.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
      )
      return waiting.length > 0
    })
    return { answer, id: tag["id"] as string, release: held.release }
  }

  const takesNobody = (base: string) =>
    until("new connections to be refused", () =>
      new Promise<boolean>((told) => {
        const { hostname, port } = new URL(base)
        const socket = connect(Number(port), hostname)
        socket.on("connect", () => told(false)).on("error", () => told(true)).on("connect", () => socket.destroy())
      }))

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`finishes the request that is in flight at ${signal}, and takes no other`, async () => {
      const { base, call, program } = await startApi()
      const { answer, id, release } = await waitingChange(call)
      const code = program.stop(signal)
      await takesNobody(base)
      assert.isNull(program.process.exitCode)
      await release()
      const { body, headers, status } = await answer
      assert.strictEqual(status, 200)
      assert.strictEqual(body.color, "#ABCDEF")
      assert.strictEqual(headers["connection"], "close")
      assert.strictEqual(await code, 0)
      const rows = await database.query(
        "select entity_version from search_outbox_events where entity_id = $1 order by 1",
        id
      )
      assert.deepStrictEqual(rows.map(({ entity_version }) => entity_version), [1, 2])
      logLines(program)
      assert.strictEqual(program.errors(), "")
    })
  }

  it("gives up a request that outlives the grace, and leaves nothing half-made", async () => {
    const { call, program } = await startApi({ WORDLOOM_SHUTDOWN_GRACE: "200ms" })
    const { answer, id, release } = await waitingChange(call)
    const began = performance.now()
    assert.strictEqual(await program.stop(), 0)
    // Many times the grace: what a busy machine may take, and far from the grace of 25 s.
    assert.isBelow(performance.now() - began, 15_000)
    const outcome = await answer.then(({ status }) => status, () => "cut off")
    assert.include(["cut off", 503], outcome)
    await release()
    const [tag] = await database.query("select version, color from tags where id = $1", id)
    assert.deepStrictEqual(tag, { version: 1, color: "#1E90FF" })
    assert.strictEqual((await database.query("select from search_outbox_events where entity_id = $1", id)).length, 1)
  })

  it("is not kept by writes that wait to be found: they are answered, and were done", async () => {
    const { base, call, program } = await startApi()
    const headers = { prefer: "wait=25" }
    const waiting = ["stops 1", "stops 2"].map((name) =>
      call("POST", "/api/v1/tags", { headers, json: { name, color: "#000000" } })
    )
    await until(
      "both to be written",
      async () => (await database.query("select from tags where name like 'stops %'")).length === waiting.length
    )
    const began = performance.now()
    const code = program.stop()
    await takesNobody(base)
    for (const { headers: said, status } of await Promise.all(waiting)) {
      assert.strictEqual(status, 201)
      assert.strictEqual(said["x-search-visible"], "false")
      assert.strictEqual(said["connection"], "close")
    }
    assert.strictEqual(await code, 0)
    // Far from the 25 s that they would wait, and from the grace.
    assert.isBelow(performance.now() - began, 15_000)
    assert.strictEqual(program.errors(), "")
  })

  it("is not kept by a connection that is open but idle, or that has begun a request and never ends it", async () => {
    const { base, program } = await startApi({ WORDLOOM_SHUTDOWN_GRACE: "1s" })
    const agent = new Agent({ keepAlive: true })
    await new Promise<void>((done, failed) => {
      request(`${base}/health`, { agent }, (response) => response.resume().on("end", done)).on("error", failed).end()
    })
    const { hostname, port } = new URL(base)
    const slow = connect(Number(port), hostname)
    slow.on("error", () => {})
    await new Promise<void>((done) => {
      slow.write(
        "POST /api/v1/tags HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
        () => done()
      )
    })
    const began = performance.now()
    assert.strictEqual(await program.stop(), 0)
    assert.isBelow(performance.now() - began, 15_000)
    agent.destroy()
    slow.destroy()
  })

  it("ends the worker with code 0, with work done and its name given back", async () => {
    const { call, program: api } = await startApi()
    const tags = await Promise.all(Array.from({ length: 20 }, () => newTag(call)))
    const worker = startProgram("worker", {
      ...programsEnv(database),
      OUTBOX_WORKER_ID: "stopping-worker",
      OUTBOX_BATCH_SIZE: "5"
    })
    started.push(worker)
    await worker.printed(/draining/)
    assert.strictEqual(await worker.stop(), 0)
    assert.isEmpty(await database.query("select from outbox_workers where id = 'stopping-worker'"))
    const held = await database.query("select from search_outbox_events where status = 'processing'")
    assert.isEmpty(held)
    const rows = await database.query(
      "select attempts, status from search_outbox_events where entity_id = any($1::uuid[])",
      `{${tags.map(({ id }) => id).join(",")}}`
    )
    // A stop in the middle gives a row back without counting the attempt.
    for (const { attempts, status } of rows) assert.strictEqual(attempts, status === "done" ? 1 : 0)
    assert.strictEqual(await api.stop(), 0)
    assert.strictEqual(worker.errors() + api.errors(), "")
  })

  it("ends although the database has gone silent, with a request in flight", async () => {
    const proxy = await tcpProxy(database.url)
    const env = { ...programsEnv(proxy), WORDLOOM_SHUTDOWN_GRACE: "500ms" }
    const [api, worker] = [startProgram("api", env), startProgram("worker", env)]
    started.push(api, worker)
    const call = callerOf(await listening(api))
    await worker.printed(/draining/)
    await Promise.all(Array.from({ length: 20 }, () => newTag(call)))
    proxy.silence()
    const cutOff = call("POST", "/api/v1/tags", { json: { name: "silent", color: "#000000" } }).then(
      ({ status }) => status,
      () => 0
    )
    await until(
      "the request to be in flight",
      async () => /http_requests_in_flight 2$/m.test((await call("GET", "/metrics")).text)
    )
    const began = performance.now()
    const codes = await Promise.all([api.stop(), worker.stop()])
    // Undoing cannot be told to such a database, so the programs end by the clock, and say so.
    for (const code of codes) assert.include([0, 1], code)
    assert.isBelow(performance.now() - began, 60_000)
    assert.include([0, 503], await cutOff)
    await proxy.stop()
  })

  it("ends on a second signal at once, too", async () => {
    const { base, call, program } = await startApi()
    const { release } = await waitingChange(call)
    const end = program.stop("SIGTERM")
    await takesNobody(base)
    program.process.kill("SIGKILL")
    await end
    assert.strictEqual(program.process.signalCode, "SIGKILL")
    await release()
  })
})
