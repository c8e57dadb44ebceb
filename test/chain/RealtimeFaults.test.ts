/** What the realtime chain promises while its parts are killed with -9 under a small, steady load. */
import { assert, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { noNats } from "../support/NatsServer.ts"
import { newNode, startProgram, until } from "../support/Programs.ts"
import { type Chain, chain } from "../support/RealtimeChain.ts"
import { crowd, restarting, type Restarts, roomsIn } from "../support/RealtimeCrowds.ts"
import { describeUnless } from "../support/Unless.ts"

const size = { clients: 12, sessions: 3, rate: 40, seconds: 2 }
const total = size.rate * size.seconds

describeUnless(noNats, "realtime under faults", () => {
  let running: Chain
  let parts: Awaited<ReturnType<typeof restarting>>

  beforeAll(async () => {
    running = await chain()
    parts = await restarting(running, 2)
  })

  afterAll(() => running.stop())

  const headsOf = async (sessions: ReadonlyArray<string>) => {
    const heads = await running.database.query(
      "select 'tag/' || id as session, last_seq from realtime_sessions where 'tag/' || id = any($1::text[])",
      sessions
    )
    return Object.fromEntries(heads.map((head) => [String(head["session"]), Number(head["last_seq"])]))
  }

  const checkUnder = async (fault: (restart: Restarts) => Promise<void>) => {
    const sessions = await roomsIn(running.database, size.sessions)
    const members = await crowd({ ...size, urls: parts.urls, sessions })
    const speaking = members.speak()
    await fault(parts.restart)
    await speaking
    const heads = await headsOf(sessions)
    const { deliveries, faults } = await members.report(heads)
    assert.strictEqual(Object.values(heads).reduce((all, one) => all + one, 0), total, "every message has one number")
    assert.deepStrictEqual(faults, [])
    assert.strictEqual(deliveries, total * size.clients / size.sessions)
  }

  for (const part of ["gateway", "logic", "task", "nats"] as const) {
    it(`loses and doubles nothing when ${part} is killed and comes back`, () =>
      checkUnder((restart) => restart[part]()))
  }

  it("brings back by a replay what NATS lost with its data, without doubles at the clients", () =>
    checkUnder(async () => {
      await running.nats.crash()
      running.nats.lose()
      await running.nats.again()
      const args = ["outbox", "replay", "--projection", "realtime", "--status", "done"]
      const replay = startProgram("wordloom", running.env, args, newNode)
      await replay.ended
      assert.strictEqual(replay.process.exitCode, 0, replay.errors())
      await until("the replayed rows to be relayed again", async () => {
        const [row] = await running.database.query("select count(*)::int as left from outbox_realtime")
        return row!["left"] === 0
      })
    }))
})
