// How the servers around traces and metrics are started: Tempo, the OpenTelemetry Collector, Prometheus.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { answers, giveToServer, infra, tools } from "./system.js"

/** @import { Recipe } from "./recipes.js" */

const tempoProgram = join(tools, "tempo")
const collectorProgram = join(tools, "collector")
const prometheusProgram = join(tools, "prometheus", "prometheus")

/** Jaeger has 4317 and 4318; where all three run, these are the others' OTLP ports. */
const fixed = { tempo: { otlp: 24318, otlpGrpc: 24317 }, collector: { otlp: 14318, otlpGrpc: 14317 } }

/** @type {Recipe<"tempo">} */
export const tempo = {
  ports: { query: 3200, grpc: 0, ...fixed.tempo, gossip: 0 },
  signals: { stop: "SIGTERM", now: "SIGKILL" },
  patience: 60_000,
  missing: () => (existsSync(tempoProgram) ? undefined : "not built: infra/install-tempo.sh"),
  plan: async (port, folder, { remoteWrite = "http://127.0.0.1:9090", sop }) => {
    const data = join(folder, "data")
    mkdirSync(data)
    giveToServer(data)
    const config = join(infra, "tempo.yaml")
    return {
      command: tempoProgram,
      args: ["-config.expand-env=true", `-config.file=${config}`],
      env: {
        TEMPO_LISTEN_HOST: "127.0.0.1",
        TEMPO_HTTP_PORT: String(port("query")),
        TEMPO_GRPC_PORT: String(port("grpc")),
        TEMPO_OTLP_HTTP_PORT: String(port("otlp")),
        TEMPO_OTLP_GRPC_PORT: String(port("otlpGrpc")),
        TEMPO_GOSSIP_PORT: String(port("gossip")),
        TEMPO_DATA: data,
        TEMPO_REMOTE_WRITE: remoteWrite,
        // a test does not wait a minute for the edges of its graph
        ...(sop ? {} : {
          TEMPO_TRACE_IDLE: "1s",
          TEMPO_FLUSH_CHECK: "1s",
          TEMPO_GRAPH_WAIT: "5s",
          TEMPO_COLLECTION: "1s"
        })
      },
      reads: [config],
      isReady: () => answers(`http://127.0.0.1:${port("query")}/ready`),
      urls: {
        query: `http://127.0.0.1:${port("query")}`,
        otlp: `http://127.0.0.1:${port("otlp")}`,
        otlpGrpc: `127.0.0.1:${port("otlpGrpc")}`
      }
    }
  }
}

/** @type {Recipe<"collector">} */
export const collector = {
  ports: { ...fixed.collector, metrics: 8888, health: 0 },
  signals: { stop: "SIGTERM", now: "SIGKILL" },
  patience: 30_000,
  missing: () => (existsSync(collectorProgram) ? undefined : "not built: infra/install-collector.sh"),
  plan: async (port, _folder, { decisionWait = "30s", stores }) => {
    const config = join(infra, "otel-collector.yaml")
    const { jaeger, tempo } = stores ??
      { jaeger: "http://127.0.0.1:4318", tempo: `http://127.0.0.1:${fixed.tempo.otlp}` }
    return {
      command: collectorProgram,
      args: [`--config=${config}`],
      env: {
        COLLECTOR_OTLP_HTTP_PORT: String(port("otlp")),
        COLLECTOR_OTLP_GRPC_PORT: String(port("otlpGrpc")),
        COLLECTOR_METRICS_PORT: String(port("metrics")),
        COLLECTOR_HEALTH_PORT: String(port("health")),
        COLLECTOR_DECISION_WAIT: decisionWait,
        COLLECTOR_BATCH_TIMEOUT: "200ms",
        COLLECTOR_JAEGER_URL: jaeger,
        COLLECTOR_TEMPO_URL: tempo
      },
      reads: [config],
      isReady: () => answers(`http://127.0.0.1:${port("health")}/`),
      urls: {
        otlp: `http://127.0.0.1:${port("otlp")}`,
        otlpGrpc: `127.0.0.1:${port("otlpGrpc")}`,
        metrics: `http://127.0.0.1:${port("metrics")}/metrics`
      }
    }
  }
}

/**
 * The settings as they are, but for what is scraped and how often.
 * @param {string} folder
 * @param {string} interval
 * @param {Record<string, string[]> | undefined} jobs
 */
const prometheusConfig = (folder, interval, jobs) => {
  const from = join(infra, "prometheus")
  const config = join(folder, "config")
  mkdirSync(join(config, "targets"), { recursive: true })
  for (const file of ["recording.yml", "alerts.yml"]) copyFileSync(join(from, file), join(config, file))
  const settings = readFileSync(join(from, "prometheus.yml"), "utf8")
  const paced = settings.replaceAll(/^( +(?:scrape|evaluation)_interval:) .*$/gm, `$1 ${interval}`)
  writeFileSync(join(config, "prometheus.yml"), paced)
  // JSON is YAML
  const groups = Object.entries(jobs ?? {}).map(([job, targets]) => ({ targets, labels: { job } }))
  const targets = jobs === undefined ? readFileSync(join(from, "targets/local.yml"), "utf8") : JSON.stringify(groups)
  writeFileSync(join(config, "targets/local.yml"), targets)
  return config
}

/** @type {Recipe<"prometheus">} */
export const prometheus = {
  ports: { http: 9090 },
  signals: { stop: "SIGTERM", now: "SIGKILL" },
  patience: 30_000,
  missing: () => (existsSync(prometheusProgram) ? undefined : "not installed: infra/install-prometheus.sh"),
  plan: async (port, folder, { interval = "15s", targets }) => {
    const data = join(folder, "data")
    mkdirSync(data)
    giveToServer(data)
    const config = prometheusConfig(folder, interval, targets)
    const url = `http://127.0.0.1:${port("http")}`
    return {
      command: prometheusProgram,
      args: [
        `--config.file=${join(config, "prometheus.yml")}`,
        `--storage.tsdb.path=${data}`,
        `--web.listen-address=127.0.0.1:${port("http")}`,
        "--web.enable-remote-write-receiver",
        "--enable-feature=exemplar-storage",
        "--log.level=warn"
      ],
      isReady: () => answers(`${url}/-/ready`),
      urls: { http: url }
    }
  }
}
