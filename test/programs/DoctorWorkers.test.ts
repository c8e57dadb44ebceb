/** Two workers of one name, and ports that others have: what doctor says of odd double work. */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { afterAll, beforeAll } from "vitest"
import { askDoctor } from "../support/Doctors.ts"
import { freePort } from "../support/FreePort.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { newNode, type Program, startProgram, until } from "../support/Programs.ts"
import { programsEnv } from "../support/RunningApi.ts"

const owner = "w-twin"
const api = ["--api", "http://127.0.0.1:1"]

describe("doctor, of workers,", () => {
  let database: OwnDatabase
  let env: Readonly<Record<string, string>>
  const programs: Array<Program> = []

  beforeAll(async () => {
    database = await ownDatabase()
    env = { ...programsEnv(database), OUTBOX_WORKER_ID: owner }
  })
  afterAll(async () => {
    await Promise.all(programs.map((program) => program.stop("SIGKILL")))
    await database.drop()
  })

  const worker = async (more: Readonly<Record<string, string>> = {}) => {
    const program = startProgram("worker", { ...env, ...more }, [], newNode)
    programs.push(program)
    await program.printed(/draining/)
    return program
  }
  const doubled = async (more: Readonly<Record<string, string>> = {}) =>
    (await askDoctor({ ...env, ...more }, ...api)).of("DX-13")

  it("finds one that was frozen, lost its name, and goes on under it beside the next", async () => {
    const frozen = await worker()
    assert.strictEqual((await doubled()).health, "ok")
    frozen.process.kill("SIGSTOP")
    await database.query(
      `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'
        and (classid::bigint << 32) | objid::bigint = hashtextextended('wordloom.worker.${owner}', 0)`
    )
    const next = await until("the next of that name", () => worker())
    frozen.process.kill("SIGCONT")
    const found = await until("two of one name", async () => {
      const seen = await doubled()
      return seen.health === "fail" ? seen : undefined
    })
    assert.strictEqual(found.cause, `two processes work as ${owner}`)
    assert.match(found.fix!, /OUTBOX_WORKER_ID/)

    assert.strictEqual(await frozen.stop(), 0)
    assert.strictEqual((await doubled()).health, "ok")
    const [left] = await database.query(`select count(*)::int as n from outbox_workers where id = '${owner}'`)
    assert.strictEqual(left!["n"], 1)
    assert.strictEqual(await next.stop(), 0)
  })

  it("finds a worker's port in its own hands, and in those of another program", async () => {
    const [health, metrics] = [await freePort(), await freePort()]
    const ports = { OUTBOX_HTTP_PORT: String(health), OUTBOX_METRICS_PORT: String(metrics) }
    const own = await worker(ports)
    const ours = await doubled(ports)
    assert.strictEqual(ours.health, "ok")
    assert.strictEqual(
      ours.evidence["ports"],
      `OUTBOX_METRICS_PORT ${metrics}: us; OUTBOX_HTTP_PORT ${health}: us`
    )
    await own.stop()
    const other = createServer((socket) => socket.end("220 another\r\n")).listen(0, "127.0.0.1")
    await once(other, "listening")
    const { port } = other.address() as AddressInfo
    const taken = await doubled({ OUTBOX_HTTP_PORT: String(port) })
    other.close()
    assert.strictEqual(taken.health, "warn")
    assert.match(taken.cause, new RegExp(`port ${port} \\(OUTBOX_HTTP_PORT\\) is taken by another program`))
  })
})
