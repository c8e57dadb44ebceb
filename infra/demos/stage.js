/** The real servers and programs that a lab needs, on free ports: PostgreSQL, Elasticsearch behind faults, Jaeger. */
import { start } from "../servers.js"
import { reservePorts } from "../servers/system.js"
import { connect } from "./database.js"
import { engineWithFaults } from "./engine-faults.js"
import { ask, trouble, until } from "./patience.js"
import { runProgram, startProgram, stopPrograms, untilReady } from "./processes.js"

/** @import { Program } from "./processes.js" */

/** @typedef {Awaited<ReturnType<typeof setStage>>} Stage */

/** @type {Array<() => unknown>} */
const ends = []

/** Ends all that the stage has started, the last first. */
export const clearStage = async () => {
  await stopPrograms()
  for (const end of ends.toReversed()) await end()
  ends.length = 0
}

/**
 * @param {Record<string, string>} [settings] for the API and every worker
 * @param {(otlp: string) => string | Promise<string>} [through] where spans are sent on their way to Jaeger
 */
export const setStage = async (settings = {}, through = (otlp) => otlp) => {
  const servers = await Promise.all([
    start("postgres", { fsync: false }),
    start("elasticsearch"),
    start("jaeger")
  ])
  const [postgres, elasticsearch, jaeger] = servers
  ends.push(...servers.map((server) => () => server.stop()))
  trouble.signal.throwIfAborted()
  const engine = await engineWithFaults(elasticsearch.url)
  ends.push(engine.stop)
  const ports = await reservePorts({ api: 0 })
  const shared = {
    DATABASE_URL: postgres.url,
    ELASTIC_URL: engine.url,
    WORDLOOM_SHUTDOWN_GRACE: "2s",
    WORDLOOM_TRACING_ENABLED: "1",
    OTEL_TRACES_SAMPLER: "always_on",
    OTEL_EXPORTER_OTLP_ENDPOINT: await through(jaeger.urls.otlp),
    OTEL_BSP_SCHEDULE_DELAY: "100",
    ...settings
  }
  const api = `http://127.0.0.1:${ports.api}`
  const program = startProgram("api.js", "the API", { ...shared, WORDLOOM_HTTP_PORT: String(ports.api) })
  await untilReady(program, api)
  const database = await connect(postgres.url)
  ends.push(database.close)

  /**
   * @param {string} id
   * @param {Record<string, string>} [own]
   * @returns {Promise<Program>}
   */
  const startWorker = async (id, own = {}) => {
    const { health, metrics } = await reservePorts({ health: 0, metrics: 0 })
    const worker = startProgram("worker.js", id, {
      ...shared,
      OUTBOX_WORKER_ID: id,
      OUTBOX_HTTP_PORT: String(health),
      OUTBOX_METRICS_PORT: String(metrics),
      ...own
    })
    // Not ready, but alive: a worker whose engine is away is started as well.
    await until(`${id} to live`, async () => (await ask(`http://127.0.0.1:${health}/health/live`)).status === 200)
    return worker
  }

  /**
   * @param {"POST" | "PATCH" | "DELETE"} method
   * @param {string} path
   * @param {unknown} [body]
   */
  const write = async (method, path, body) => {
    const init = body === undefined
      ? { method }
      : { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
    const response = await fetch(`${api}/api/v1/${path}`, { ...init, signal: AbortSignal.timeout(30_000) })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text}`)
    const traceId = response.headers.get("traceparent")?.slice(3, 35) ?? ""
    const entity = /** @type {{ id: string }} */ (text === "" ? { id: path.split("/")[1] } : JSON.parse(text))
    return { id: entity.id, traceId }
  }

  /**
   * `wordloom …`, with JSON as its answer.
   * @param {ReadonlyArray<string>} args
   */
  const wordloom = async (...args) => {
    const { code, err, out } = await runProgram("wordloom.js", [...args, "--json"], shared)
    if (out === "") throw new Error(`wordloom ${args.join(" ")} ended with ${code}: ${err.trim()}`)
    return { code, answer: JSON.parse(out) }
  }

  const look = async (/** @type {string} */ path) => JSON.parse((await ask(`${api}/api/v1/${path}`)).text)

  return { api, database, elasticsearch, engine, jaeger, look, postgres, shared, startWorker, wordloom, write }
}
