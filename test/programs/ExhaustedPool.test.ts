/** A worker whose pool is used up by the work itself: its heartbeats go another way, so the work keeps its lease. */
import { assert, describe, it } from "@effect/vitest"
import { ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram, until } from "../support/Programs.ts"
import { programsEnv } from "../support/RunningApi.ts"

const leaseMs = 2_500
/** Longer than the lease, and shorter than a statement may wait for a lock (5 s). */
const busySeconds = 3.1

describe("a worker", () => {
  it("keeps its lease while its only connection is busy for longer than the lease", async () => {
    const database = await ownDatabase()
    const worker = startProgram("worker", {
      ...programsEnv(database),
      OUTBOX_PROJECTIONS: "search",
      OUTBOX_CONCURRENCY: "1",
      OUTBOX_LEASE: `${leaseMs}ms`,
      OUTBOX_POLL_INTERVAL: "50ms",
      // One holds the worker's name and one listens for wake-ups: the third is for everything else.
      WORDLOOM_DATABASE_POOL: "3"
    })
    try {
      await worker.printed(/draining search/)
      const held = await database.hold("lock table search_documents in share row exclusive mode")
      // A change of what is gone already needs no entity to be there.
      await database.query(
        `insert into outbox_search (entity_type, entity_id, entity_version, op)
          values ('tag', gen_random_uuid(), 1, 'delete')`
      )
      await until("the delivery to have been under way for longer than its lease", async () => {
        const [lane] = await database.query(
          `select from outbox_lanes where projection = 'search' and token is not null
            and claimed_at < clock_timestamp() - $1 * interval '1 second'`,
          busySeconds
        )
        return lane
      })
      await held.release()
      const [row] = await until("the row to be done", async () => {
        const rows = await database.query("select id, attempts from search_outbox_events where status = 'done'")
        return rows.length === 1 && rows
      })
      const outcomes = await database.query("select outcome from outbox_attempts where projection = 'search'")
      assert.deepStrictEqual(outcomes.map(({ outcome }) => outcome), ["acked"])
      assert.strictEqual(row!["attempts"], 1)
      assert.strictEqual(await worker.stop(), 0, worker.errors())
    } finally {
      await worker.stop("SIGKILL")
      await database.drop()
    }
  })
})
