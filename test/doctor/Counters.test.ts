/** A process's own counters, read for requests that failed or were slow: what has no trace does not count. */
import { assert, describe, it } from "@effect/vitest"
import { requestsOf } from "../../src/doctor/Counters.ts"

const search = `method="GET",route="/api/v1/search"`
const metrics = `# HELP wordloom_http_requests_total Requests
process_start_time_seconds 1700000000.5
wordloom_http_requests_total{${search},status_code="503"} 2
wordloom_http_requests_total{${search},status_code="200"} 9
wordloom_http_requests_total{method="GET",route="/health/ready",status_code="503"} 7
wordloom_http_request_duration_seconds_bucket{${search},le="0.5"} 8
wordloom_http_request_duration_seconds_bucket{${search},le="1"} 9
wordloom_http_request_duration_seconds_bucket{${search},le="+Inf"} 11
wordloom_http_request_duration_seconds_count{${search}} 11
wordloom_http_request_duration_seconds_count{method="GET",route="/health/ready"} 7
wordloom_tracing_spans_dropped_total{reason="queue_full"} 3
`

describe("counters", () => {
  it("tell failed and slow requests, and since when", () => {
    assert.deepStrictEqual(requestsOf(metrics, 1_000), {
      failed: 2,
      failedBy: new Map([["503", 2]]),
      slow: 2,
      slowOverMs: 1_000,
      since: 1_700_000_000_500,
      spansDropped: 3
    })
  })

  it("know nothing between the bounds of a histogram, and nothing beyond the last", () => {
    assert.deepInclude(requestsOf(metrics, 600), { slow: 2, slowOverMs: 1_000 })
    assert.strictEqual(requestsOf(metrics, 20_000)!.slow, 0)
  })

  it("are none where somebody else's metrics are", () => {
    for (const text of ["", "<html>", "up 1\n"]) assert.isUndefined(requestsOf(text, 1_000))
  })
})
