/** `/metrics` of API and worker: well-formed, under the contract's names, and with a bounded number of series. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { afterAll, beforeAll } from "vitest"
import { reservePorts } from "../../infra/servers/system.js"
import manifest from "../../package.json" with { type: "json" }
import { call as callAnywhere } from "../support/HttpCall.ts"
import { until } from "../support/Programs.ts"
import { type Family, parseMetrics, parseOpenMetrics, type Sample, seriesOf } from "../support/Prometheus.ts"
import { fresh, newLibrary, newTag, type RunningApi, runningApi } from "../support/RunningApi.ts"

const seconds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
const bytes = ["64", "256", "1024", "4096", "16384", "65536", "262144", "1048576", "4194304", "16777216", "+Inf"]

describe("metrics", () => {
  let running: RunningApi
  let workerMetrics: string
  const call: RunningApi["call"] = (...said) => running.call(...said)

  beforeAll(async () => {
    const { metrics } = await reservePorts({ metrics: 0 })
    workerMetrics = `http://127.0.0.1:${metrics}/metrics`
    running = await runningApi({
      worker: true,
      env: { OUTBOX_METRICS_PORT: String(metrics), WORDLOOM_ENV: "metrics-test" }
    })
    const library = await newLibrary(call)
    await newTag(call)
    await call("POST", "/api/v1/blocks", { json: { library_id: library["id"], title: "t", body: "b" } })
    await call("GET", `/api/v1/libraries/${library["id"]}`)
    await call("GET", "/api/v1/tags")
    await call("GET", "/api/v1/tags/1")
    await call("GET", "/nope")
  })
  afterAll(() => running.stop())

  const scraped = async (url: string) => {
    const answer = await callAnywhere("GET", url)
    assert.strictEqual(answer.status, 200)
    assert.match(answer.headers["content-type"]!, /^text\/plain; version=0\.0\.4/)
    return parseMetrics(answer.text)
  }
  const ofApi = () => scraped(`${running.base}/metrics`)

  const family = (metrics: ReadonlyMap<string, Family>, name: string, type: string): Family => {
    const found = metrics.get(`wordloom_${name}`)
    if (found === undefined) throw new Error(`${name} is not among ${[...metrics.keys()].join(", ")}`)
    assert.strictEqual(found.type, type)
    assert.isNotEmpty(found.help)
    assert.isNotEmpty(found.samples)
    return found
  }

  const counter = (metrics: ReadonlyMap<string, Family>, name: string, labels: ReadonlyArray<string>) => {
    const found = family(metrics, name, "counter")
    for (const sample of found.samples) {
      assert.hasAllKeys(sample.labels, [...labels])
      assert.isAtLeast(sample.value, 0)
    }
    return found
  }

  const isHistogram = (
    metrics: ReadonlyMap<string, Family>,
    name: string,
    labels: ReadonlyArray<string>,
    bounds?: ReadonlyArray<string>
  ) => {
    const found = family(metrics, name, "histogram")
    const series = new Map<string, Array<Sample>>()
    for (const sample of found.samples) {
      const { le: _le, ...rest } = sample.labels
      assert.hasAllKeys(rest, [...labels])
      const key = JSON.stringify(Object.entries(rest).toSorted())
      series.set(key, [...series.get(key) ?? [], sample])
    }
    for (const samples of series.values()) {
      const ending = (end: string) => samples.filter(({ name }) => name.endsWith(end))
      const buckets = ending("_bucket")
      const counts = buckets.map(({ value }) => value)
      assert.deepStrictEqual(counts, counts.toSorted((a, b) => a - b))
      assert.strictEqual(buckets.at(-1)!.labels["le"], "+Inf")
      assert.strictEqual(buckets.at(-1)!.value, ending("_count")[0]!.value)
      assert.strictEqual(ending("_sum").length, 1)
      if (bounds !== undefined) assert.deepStrictEqual(buckets.map((bucket) => bucket.labels["le"]), [...bounds])
    }
  }

  it("tells of requests by method, route template and status", async () => {
    const metrics = await ofApi()
    const requests = counter(metrics, "http_requests_total", ["method", "route", "status_code"])
    const count = (method: string, route: string, status_code: string) =>
      requests.samples.find(({ labels }) =>
        labels["method"] === method && labels["route"] === route && labels["status_code"] === status_code
      )?.value
    assert.strictEqual(count("POST", "/api/v1/tags", "201"), 1)
    assert.strictEqual(count("GET", "/api/v1/libraries/:id", "200"), 1)
    assert.strictEqual(count("GET", "/api/v1/tags/:id", "400"), 1)
    assert.strictEqual(count("GET", "none", "404"), 1)
    isHistogram(metrics, "http_request_duration_seconds", ["method", "route"], seconds)
    isHistogram(metrics, "http_request_size_bytes", ["method", "route"], bytes)
    isHistogram(metrics, "http_response_size_bytes", ["method", "route"], bytes)
    const inFlight = family(metrics, "http_requests_in_flight", "gauge")
    // The scrape itself.
    assert.deepStrictEqual(inFlight.samples.map(({ labels, value }) => ({ labels, value })), [{ labels: {}, value: 1 }])
  })

  it("tells of statements by operation and table, and of rows left in an outbox", async () => {
    const metrics = await ofApi()
    counter(metrics, "db_queries_total", ["operation", "table"])
    isHistogram(metrics, "db_query_duration_seconds", ["operation", "table"], seconds)
    const enqueued = counter(metrics, "outbox_enqueued_total", ["projection"])
    assert.deepStrictEqual(
      enqueued.samples.map(({ labels, value }) => [labels["projection"], value]).toSorted(),
      [["chronicle", 3], ["realtime", 0], ["search", 3]]
    )
  })

  it("tells of statements that fail, too", async () => {
    const insertions = async (name: string) =>
      (await ofApi()).get(`wordloom_${name}`)?.samples
        .find(({ labels, name: sample }) =>
          labels["operation"] === "create" && labels["table"] === "tags" && !/_(bucket|sum)$/.test(sample)
        )?.value
    const names = ["db_queries_total", "db_query_duration_seconds"]
    const before = await Promise.all(names.map(insertions))
    const [tag] = (await call("GET", "/api/v1/tags")).body.items
    const json = { name: tag.name, color: "#123456" }
    assert.strictEqual((await call("POST", "/api/v1/tags", { json })).status, 409)
    assert.deepStrictEqual(await Promise.all(names.map(insertions)), before.map((count) => count! + 1))
  })

  it("tells of the worker's attempts, by projection", async () => {
    const metrics = await until("six attempts", async () => {
      const found = await scraped(workerMetrics)
      const done = found.get("wordloom_outbox_processed_total")?.samples ?? []
      return done.reduce((sum, { value }) => sum + value, 0) === 6 ? found : undefined
    })
    counter(metrics, "outbox_processed_total", ["projection", "result"])
    counter(metrics, "outbox_idle_polls_total", ["projection"])
    isHistogram(metrics, "outbox_lag_seconds", ["projection"])
    isHistogram(metrics, "outbox_wait_seconds", ["projection"])
    isHistogram(metrics, "outbox_batch_size", ["projection"])
    family(metrics, "outbox_in_flight", "gauge")
    for (const { samples } of metrics.values()) {
      for (const { labels } of samples) {
        if (labels["projection"] !== undefined) {
          assert.include(["search", "chronicle", "realtime"], labels["projection"])
        }
      }
    }
  })

  it("tells of the oldest transaction, whoever's it is, in one series", async () => {
    const metrics = await until("a look at it", async () => {
      const found = await scraped(workerMetrics)
      return found.has("wordloom_db_oldest_transaction_age_seconds") && found
    })
    const { samples } = family(metrics, "db_oldest_transaction_age_seconds", "gauge")
    assert.deepStrictEqual(samples.map(({ labels }) => labels), [{}])
    assert.isAtLeast(samples[0]!.value, 0)
  })

  it("is the same in OpenMetrics, where it is asked for", async () => {
    for (const url of [`${running.base}/metrics`, workerMetrics]) {
      const answer = await callAnywhere("GET", url, {
        headers: { accept: "application/openmetrics-text;version=1.0.0" }
      })
      assert.strictEqual(answer.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8")
      const { families } = parseOpenMetrics(answer.text)
      // A scrape changes what is said of scrapes, and collecting garbage brings series of its own.
      const others = (of: ReadonlySet<string>) => [...of].filter((series) => !/nodejs_gc|nodejs_active/.test(series))
      assert.includeMembers(others(seriesOf(families)), others(seriesOf(await scraped(url))))
    }
  })

  it("tells of the process, of the pool and of itself", async () => {
    for (const url of [`${running.base}/metrics`, workerMetrics]) {
      const metrics = await scraped(url)
      for (
        const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "nodejs_eventloop_lag_p99_seconds"]
      ) {
        assert.isNotEmpty(metrics.get(name)?.samples ?? [], name)
      }
      assert.deepStrictEqual(metrics.get("target_info")?.samples.map(({ labels, value }) => ({ labels, value })), [{
        labels: { service_version: manifest.version, deployment_environment_name: "metrics-test" },
        value: 1
      }])
      const of = (name: string) => family(metrics, name, "gauge").samples.map(({ value }) => value)
      assert.deepStrictEqual(of("db_connections_max").map((max) => max > 0), [true])
      assert.deepStrictEqual(of("db_connections_open").map((open) => open >= 0), [true])
      assert.deepStrictEqual(of("db_connections_waiting"), [0])
      assert.deepStrictEqual(of("observability_series"), [seriesOf(metrics).size])
    }
  })

  /** S3-73, as far as it can be: of the names that have a thing behind them here. */
  it("has samples of more than nine tenths of what docs/metrics.md lists by S3, after a few writes", async () => {
    const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8")
    const there = page.split("## What there is not")[0]!.split("\n").filter((line) => line.startsWith("| S3-"))
    const listed = there.flatMap((line) => [...line.split("|")[2]!.matchAll(/`(\w+)[^`]*`/g)].map(([, name]) => name!))
    const [api, worker] = await Promise.all([ofApi(), scraped(workerMetrics)])
    const isTold = (name: string) =>
      [api, worker].some((metrics) =>
        [name, `wordloom_${name}`].some((each) => (metrics.get(each)?.samples.length ?? 0) > 0)
      )
    assert.isAtLeast(listed.length, 25)
    assert.isAbove(listed.filter(isTold).length / listed.length, 0.9, listed.filter((name) => !isTold(name)).join())
  })

  it("has no series more after requests that nobody foresaw", async () => {
    const shapes: ReadonlyArray<() => readonly [method: string, path: string, headers?: Record<string, string>]> = [
      () => ["GET", `/${fresh("path").replaceAll(" ", "/")}`],
      () => ["GET", `/api/v1/tags/${crypto.randomUUID()}`],
      () => ["GET", `/api/v1/search?q=${fresh("q").replaceAll(" ", "+")}`],
      () => ["GET", "/api/v1/tags?limit=1", {
        "x-request-id": fresh("id").replaceAll(" ", "-"),
        "user-agent": fresh("agent")
      }],
      () => ["POST", `/api/v1/outbox/events/${fresh("projection").replaceAll(" ", "")}/1/replay`],
      () => ["DELETE", `/api/v1/blocks/${crypto.randomUUID()}`],
      () => [["PROPFIND", "MKCOL", "REPORT", "LOCK", "SEARCH"][Math.floor(performance.now()) % 5]!, "/api/v1/tags"]
    ]
    const round = async () => {
      for (const shape of shapes) {
        const [method, path, headers = {}] = shape()
        await call(method, path, { headers })
      }
    }
    await round()
    const before = seriesOf(await ofApi())
    for (let rounds = 0; rounds < 8; rounds++) await round()
    const after = seriesOf(await ofApi())
    // Garbage that was never collected before is of a kind that was never told of.
    const ours = [...after].filter((series) => !series.startsWith("nodejs_"))
    assert.deepStrictEqual(ours.filter((series) => !before.has(series)), [])
    const routes = new Set(
      (await ofApi()).get("wordloom_http_requests_total")!.samples.map(({ labels }) => labels["route"]!)
    )
    for (const route of routes) assert.match(route, /^(none|\/[a-z0-9/.:_]*)$/)
  })
})
