/** What idle programs export, and what a scrape costs once every route has been asked in every way. */
import { reservePorts } from "../../infra/servers/system.js"
import { apiRoutes } from "../../layers/http/RouteTable.ts"
import { startProgram, until } from "../../test/support/Programs.ts"
import { parseMetrics, seriesOf } from "../../test/support/Prometheus.ts"
import { start } from "../Children.ts"
import type { Finding } from "../Findings.ts"
import { quantile, shown } from "../Numbers.ts"
import type { Server } from "../Peers.ts"
import { databaseUrl, within } from "../Sessions.ts"
import type { Stage } from "../Stage.ts"

const spansIn = (text: string) =>
  parseMetrics(text).get("wordloom_tracing_spans_total")?.samples.reduce((sum, { value }) => sum + value, 0) ?? 0

const textOf = async (base: string, accept = "text/plain") =>
  await (await fetch(`${base}/metrics`, { headers: { accept } })).text()

const send = async (url: string, method: string, body?: object) => {
  const answer = await fetch(url, {
    method,
    ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000)
  })
  const text = await answer.text()
  return { status: answer.status, json: text.startsWith("{") ? JSON.parse(text) : undefined }
}

/** Things that are there, so that most routes have something to answer with. */
const things = async (base: string) => {
  const api = `${base}/api/v1`
  const tag = (await send(`${api}/tags`, "POST", { name: "red", color: "#FF0000" })).json.id
  const library = (await send(`${api}/libraries`, "POST", { name: "lines" })).json.id
  const block = { library_id: library, title: "crossed", body: "never", tag_ids: [tag] }
  const id = (await send(`${api}/blocks`, "POST", block)).json.id
  await send(`${api}/blocks/${id}`, "PATCH", { title: "kept" })
  return [tag, library, id] as ReadonlyArray<string>
}

/** What never ends is not asked for. */
const isEndless = (path: string) => /stream|watch|events\/live/.test(path)

/** Every route by ids that are there, one that is not and none; with a body that is none; and what is no route. */
const askAll = async (base: string) => {
  const ids = [...await things(base), crypto.randomUUID(), "nothing"]
  let asked = 0
  for (const [method, path] of apiRoutes().filter(([, path]) => !isEndless(path))) {
    for (const id of path.includes(":") ? ids : ["", "?limit=0", "?q=kept"]) {
      const at = path.includes(":") ? path.replaceAll(/:\w+/g, id) : path + id
      await send(base + at, method, ["GET", "HEAD"].includes(method) ? undefined : { name: 1 }).catch(() => {})
      asked++
    }
  }
  for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
    await send(`${base}/nope`, method)
    asked++
  }
  return asked
}

interface Scraped {
  readonly program: string
  readonly format: string
  readonly ms: ReadonlyArray<number>
  readonly bytes: number
  readonly series: number
}

const scrapes = 300

const scraped = async (program: string, base: string): Promise<ReadonlyArray<Scraped>> => {
  const series = seriesOf(parseMetrics(await textOf(base))).size
  const found: Array<Scraped> = []
  for (const [format, accept] of [["text", "text/plain"], ["OpenMetrics", "application/openmetrics-text"]] as const) {
    const ms: Array<number> = []
    let bytes = 0
    for (let n = 0; n < scrapes; n++) {
      const startedAt = performance.now()
      bytes = (await textOf(base, accept)).length
      ms.push(performance.now() - startedAt)
    }
    found.push({ program, format, ms, bytes, series })
  }
  return found
}

const measure = async (server: Server, seconds: number) => {
  const name = `scrape_${process.pid}`
  await within(server.url, (session) => session.query(`create database ${name}`))
  const url = databaseUrl(server.url, name)
  const sink = start({ file: "OtlpSink.ts", args: [], env: {}, timeoutMs: seconds * 1_000 + 600_000 })
  const { metrics } = await reservePorts({ metrics: 0 })
  const env = {
    DATABASE_URL: url,
    WORDLOOM_HTTP_PORT: "0",
    OUTBOX_HTTP_PORT: "0",
    OUTBOX_METRICS_PORT: String(metrics),
    WORDLOOM_SEARCH: "postgres",
    WORDLOOM_TRACING: "export",
    OTEL_TRACES_SAMPLER: "always_on",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await sink.ready}`
  }
  const [api, worker] = [startProgram("api", env), startProgram("worker", env)]
  const base = (await api.printed(/listening on (http:\/\/[^"]+)/))[1]!
  await worker.printed(/draining/)
  const workers = `http://127.0.0.1:${metrics}`
  const told = async () => spansIn(await textOf(base)) + spansIn(await textOf(workers))
  await new Promise((done) => setTimeout(done, seconds * 1_000))
  const idle = await told()
  const asked = await askAll(base)
  const undone = "select from search_outbox_events where status <> 'done' limit 1"
  await until("the rows to be told", async () => (await within(url, (one) => one.query(undone))).rows.length === 0)
  const found = [...await scraped("api", base), ...await scraped("worker", workers)]
  await worker.stop()
  await api.stop()
  sink.tell()
  const { spans } = await sink.result
  return { idle, asked, found, spans }
}

const finding = ({ asked, found, idle, spans }: Awaited<ReturnType<typeof measure>>, seconds: number): Finding => ({
  stage: "scrape",
  title: `idle for ${shown(seconds, 0)} s, then ${shown(asked, 0)} requests, then ${scrapes} scrapes each`,
  head: ["", "format", "p50 ms", "p99 ms", "most ms", "kB", "series"],
  rows: found.map(({ bytes, format, ms, program, series }) => [
    program,
    format,
    ...[0.5, 0.99, 1].map((at) => shown(quantile(ms, at), 2)),
    shown(bytes / 1_000, 0),
    shown(series, 0)
  ]),
  figures: [
    { name: "spans of the idle programs", values: [idle], atMost: 0 },
    { name: "spans afterwards, in the collector", values: [spans], atLeast: 1 },
    {
      name: "a scrape, p99 of the slowest",
      values: [Math.max(...found.map(({ ms }) => quantile(ms, 0.99)))],
      unit: " ms",
      atMost: 20
    }
  ],
  notes: ["every trace is sampled, so that idle programs export whatever they make"],
  runs: [{ asked, found, idle, spans }]
})

export const scrape: Stage = {
  peers: () => [],
  run: async ({ options, progress, server }) => {
    const seconds = options.seconds ?? (options.quick ? 10 : 600)
    progress.step(0, 1, `idle for ${seconds} s`)
    return finding(await measure(server, seconds), seconds)
  }
}
