/**
 * Many members, many messages, and everything that can be killed is killed meanwhile: `npm run test:full`.
 *
 * WORDLOOM_TEST_CLIENTS, _SESSIONS, _RATE and _SECONDS change its size; it prints what it measured.
 */
import { assert, describe, it } from "@effect/vitest"
import { processCpuMs } from "../../bench/Meter.ts"
import { noNats } from "../support/NatsServer.ts"
import { chain } from "../support/RealtimeChain.ts"
import { type Crowd, crowd, restarting, type Restarts, roomsIn } from "../support/RealtimeCrowds.ts"

const sizeOf = (name: string, usual: number) => Number(process.env[`WORDLOOM_TEST_${name}`] ?? usual)
const size = {
  clients: sizeOf("CLIENTS", 1_000),
  sessions: sizeOf("SESSIONS", 50),
  rate: sizeOf("RATE", 500),
  seconds: sizeOf("SECONDS", 60)
}

const why = process.env["WORDLOOM_FULL"] === undefined ? "only with WORDLOOM_FULL=1 (npm run test:full)" : noNats

type Chaos = (restart: Restarts) => Promise<void>

const run = async (title: string, chaos: Chaos) => {
  const running = await chain()
  try {
    const { programs, restart, urls } = await restarting(running, 2)
    const sessions = await roomsIn(running.database, size.sessions)
    const said: Crowd = await crowd({ ...size, urls, sessions })
    const before = new Map(programs().map(({ pid }) => [pid, processCpuMs(pid) ?? 0]))
    const speaking = said.speak()
    await chaos(restart)
    const heads = await speaking.then(() =>
      running.database.query("select 'tag/' || id as session, last_seq from realtime_sessions")
    )
    const report = await said.report(Object.fromEntries(heads.map((head) => [head["session"], head["last_seq"]])))
    // Nobody knows what those that were killed had used.
    const cpu = programs().filter(({ pid }) => before.has(pid)).map(({ name, pid }) => [
      name,
      Math.round((processCpuMs(pid) ?? 0) - before.get(pid)!)
    ])
    process.stderr.write(`${JSON.stringify({ title, ...size, ...report, cpu_ms: Object.fromEntries(cpu) })}\n`)
    const total = size.rate * size.seconds
    const sum = heads.reduce((all, head) => all + Number(head["last_seq"]), 0)
    assert.strictEqual(sum, total, "every message has one number")
    assert.deepStrictEqual(report.faults, [])
    assert.strictEqual(report.deliveries, total * size.clients / size.sessions)
  } finally {
    await running.stop()
  }
}

const later = (share: number) => new Promise((done) => setTimeout(done, size.seconds * 1_000 * share))

describe.skipIf(why !== undefined)(`a full house${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
  it("gets every message once and in order", () => run("undisturbed", () => Promise.resolve()), 900_000)

  it(
    "gets every message once and in order while gateway, logic, task and NATS are killed",
    () =>
      run("gateway, logic, task and NATS killed with -9", async (restart) => {
        for (const one of [restart.gateway, restart.logic, restart.task, restart.nats]) {
          await later(0.15)
          await one()
        }
        await later(0.1)
        await Promise.all(Object.values(restart).map((each) => each()))
      }),
    900_000
  )
})
