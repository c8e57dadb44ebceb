/** The real API and a worker whose search refuses some rows: a tenth of the traces is kept, and what is worth it. */
import { assert, describe, it } from "@effect/vitest"
import { envOf, judge, kinds, sendAll } from "../../bench/KeptRun.ts"
import { otlpReceiver, type ReceivedSpan } from "../support/OtlpReceiver.ts"
import { ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram, until } from "../support/Programs.ts"
import { listening, programsEnv } from "../support/RunningApi.ts"

const seen = (spans: ReadonlyArray<ReceivedSpan>) =>
  spans.map(({ end, start, ...span }) => ({ ...span, seconds: Number(end - start) / 1e9 }))

const counts = { normal: 540, fail: 20, slow: 20, debug: 20 }

describe("of six hundred requests at a ratio of a tenth", () => {
  it("the sampled ones are kept whole, and so is each that failed, was slow or was asked for", async () => {
    const [collector, database] = [await otlpReceiver(), await ownDatabase()]
    const env = { ...programsEnv(database), ...envOf(0.1, collector.url), OUTBOX_BACKOFF_BASE: "10ms" }
    const api = startProgram("api", env)
    const base = await listening(api)
    const worker = startProgram("../bench/wordloom/program", env, ["keep"])
    try {
      const sent = await sendAll({ base, databaseUrl: database.url, ratio: 0.1, counts, overMs: 0 })
      await until("all rows to be told", async () => {
        const rows = await database.query(
          `select from search_outbox_events where status <> 'done'
            union all select from chronicle_outbox_events where status <> 'done'`
        )
        return rows.length === 0
      })
      await until("both halves of all kept traces", () => judge(sent, seen(collector.spans)).wrong.length === 0).catch(
        () => {}
      )
      assert.deepStrictEqual(await Promise.all([worker.stop(), api.stop()]), [0, 0], worker.errors() + api.errors())
      const { found, wrong } = judge(sent, seen(collector.spans))
      assert.deepStrictEqual(wrong, [])
      for (const kind of kinds) {
        const { kept, sampled, sent: all, slowed, whole } = found[kind]
        assert.strictEqual(all, counts[kind])
        assert.strictEqual(kept, kind === "normal" ? sampled + slowed : counts[kind])
        assert.strictEqual(whole, kept)
      }
      // The ids and the secret are always the same, and so is how many are sampled: about a tenth.
      assert.closeTo(found.normal.sampled, 54, 21)
      for (const { attributes } of collector.spans) assert.isUndefined(attributes["wordloom.reconstructed"])
    } finally {
      await Promise.all([api.stop("SIGKILL"), worker.stop("SIGKILL")])
      await collector.stop()
      await database.drop()
    }
  })
})
