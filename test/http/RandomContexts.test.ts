/** Headers by the thousand, from none to as much as HTTP lets through: no answer, no row and no program breaks. */
import { assert, describe, it } from "@effect/vitest"
import { parseTraceparent, parseTracestate } from "../../src/domain/TraceContext.ts"
import { anyContext } from "../support/Fuzzing.ts"
import { parseMetrics } from "../support/Prometheus.ts"
import { apiForAll, fresh } from "../support/RunningApi.ts"
import { withSeed } from "../support/Seeded.ts"

/** Sets of headers in a round; ten rounds where there is time. */
const sets = 1_000
const rounds = Array.from({ length: process.env["WORDLOOM_FULL"] === "1" ? 10 : 1 }, (_, at) => at + 1)
const together = 16
/** Of Node's 16 KiB, less what every request has. */
const headersMax = 16_000

const valid = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/

describe("random trace contexts", () => {
  const running = apiForAll({
    env: { WORDLOOM_TRACING: "local", OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.5" }
  })

  let written = 0

  it.each(rounds)(
    `are no reason for a 5xx, nor for anything invalid in a row: ${sets} sets, round %i`,
    () =>
      withSeed(async (random) => {
        const one = async () => {
          const headers = anyContext(random)
          const { call } = running
          const json = { name: fresh("any"), color: "#123456" }
          const answer = await call("POST", "/api/v1/tags", { headers, json }).catch((error: unknown) => {
            // Node refuses what is longer than its limit and hangs up, perhaps on somebody who is still sending.
            if (JSON.stringify(headers).length > headersMax) return undefined
            throw error
          })
          if (answer === undefined) return
          assert.include([201, 431], answer.status, `${JSON.stringify(headers)}: ${answer.text}`)
          if (answer.status !== 201) return
          assert.match(answer.headers["traceparent"] as string, valid)
          written++
        }
        for (let sent = 0; sent < sets; sent += together) await Promise.all(Array.from({ length: together }, one))
        const rows = await running.database.query(
          `select traceparent, tracestate from search_outbox_events union all
         select traceparent, tracestate from chronicle_outbox_events`
        )
        assert.strictEqual(rows.length, 2 * written)
        for (const { traceparent, tracestate } of rows) {
          assert.match(traceparent, valid)
          assert.isDefined(parseTraceparent(traceparent))
          assert.strictEqual(parseTracestate(tracestate), tracestate)
        }
        // Enough of them were good, and enough were not, for this to say something.
        const kept = rows.filter(({ tracestate }) => /[a-z]=/.test(String(tracestate ?? "").replace(/ot=[^,]*/, "")))
        assert.isAbove(kept.length, sets / 20)
        const metrics = parseMetrics((await running.call("GET", "/metrics")).text)
        const invalid = metrics.get("wordloom_tracing_invalid_context_total")!.samples
          .filter(({ value }) => value > 0)
        assert.deepStrictEqual(invalid.map(({ labels }) => labels), [{ carrier: "http" }])
        assert.isAbove(invalid[0]!.value, sets / 20)
      })
  )
})
