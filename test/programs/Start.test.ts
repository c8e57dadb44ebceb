/** A program that cannot start says why, in a line for each reason, and never shows a secret. */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll } from "vitest"
import { saidWhy } from "../support/Endings.ts"
import { callerOf } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { listening, programsEnv } from "../support/RunningApi.ts"

const secret = "hunter2-and-a-half"

describe("starting", () => {
  let database: OwnDatabase
  const started: Array<Program> = []
  const start = (name: "api" | "logic" | "query" | "task" | "worker", env: Readonly<Record<string, string>>) => {
    const program = startProgram(name, env, [], process.execPath)
    started.push(program)
    return program
  }

  beforeAll(async () => {
    database = await ownDatabase()
  })
  afterAll(async () => {
    await Promise.all(started.map((program) => program.stop("SIGKILL")))
    await database.drop()
  })

  const listener = async (onConnection: (socket: Socket) => void = () => {}) => {
    const server = createServer(onConnection).listen(0, "127.0.0.1")
    await once(server, "listening")
    return { port: (server.address() as AddressInfo).port, stop: () => server.close() }
  }

  const keepsTheSecret = (program: Program) => assert.notInclude(program.errors() + program.output(), secret)

  for (const name of ["api", "worker"] as const) {
    it(`tells every wrong setting of the ${name} in a line of its own, and exits 78`, async () => {
      const program = start(name, {
        DATABASE_URL: `mysql://user:${secret}@host/database`,
        WORDLOOM_HTTP_PORT: "65536",
        WORDLOOM_TRACING: "loud",
        OTEL_TRACES_SAMPLER_ARG: "1.5",
        OUTBOX_LEASE: "soon",
        OUTBOX_BATCH_SIZE: "0",
        METRICS_ENABLED: "maybe",
        ELASTIC_URL: "localhost:9200"
      })
      await saidWhy(program, 78, [
        /^DATABASE_URL=<redacted> is not allowed: postgresql:\/\//,
        /^ELASTIC_URL=localhost:9200 is not allowed: an http:\/\/ or https:\/\/ address/,
        /^WORDLOOM_HTTP_PORT=65536 is not allowed: a whole number from 0 to 65535/,
        /^WORDLOOM_TRACING=loud is not allowed: one of off, local, export/,
        /^OTEL_TRACES_SAMPLER_ARG=1\.5 is not allowed: a number from 0\.0 to 1\.0/,
        /^OUTBOX_BATCH_SIZE=0 is not allowed: a whole number from 1 to 5000/,
        /^OUTBOX_LEASE=soon is not allowed: a duration such as/,
        /^METRICS_ENABLED=maybe is not allowed: one of 1, true/
      ])
      assert.strictEqual(program.output(), "")
      keepsTheSecret(program)
    })
  }

  it("exits 78 when Elasticsearch is asked for and nowhere said to be", async () => {
    const program = start("api", { ...programsEnv(database), WORDLOOM_SEARCH: "elasticsearch" })
    await saidWhy(program, 78, [/^ELASTIC_URL= is not allowed: must be set when WORDLOOM_SEARCH is elasticsearch/])
  })

  it("judges what a program needs of the settings before it touches the database", async () => {
    const empty = await ownDatabase()
    const noNats = /^NATS_URL= is not allowed: must be set where /
    const cases = [
      ["api", { WORDLOOM_REQUEST_PLANE: "nats" }, noNats],
      ["query", { WORDLOOM_REQUEST_PLANE: "nats" }, noNats],
      ["query", {}, /^WORDLOOM_REQUEST_PLANE=inproc is not allowed: a query process serves http, nats or tcp/],
      ["logic", {}, noNats],
      ["task", {}, noNats],
      ["worker", { OUTBOX_PROJECTIONS: "realtime" }, noNats]
    ] as const
    await Promise.all(
      cases.map(([name, env, said]) => saidWhy(start(name, { ...programsEnv(empty), ...env }), 78, [said]))
    )
    assert.deepStrictEqual(await empty.query("select from pg_tables where schemaname = 'public'"), [])
    await empty.drop()
  })

  it("exits 78 when no folder can be made, or written, where the embedded database is to be", async () => {
    // In /proc a new folder is refused as if its parent were missing.
    for (const home of ["/proc/wordloom", `${fileURLToPath(import.meta.url)}/home`]) {
      const program = start("worker", { WORDLOOM_HOME: home })
      await saidWhy(program, 78, [/^WORDLOOM_HOME=\/.* is not allowed: a folder that this user may write \(ENO\w+\)/])
    }
  })

  it("exits 1 when the API's port is taken", async () => {
    const { port, stop } = await listener()
    const program = start("api", { ...programsEnv(database), WORDLOOM_HTTP_PORT: String(port) })
    await saidWhy(program, 1, [new RegExp(`^port ${port} is in use`)])
    stop()
  })

  it("exits 1 when the address to listen on is not this machine's", async () => {
    for (const host of ["192.0.2.1", "nowhere.invalid"]) {
      const program = start("api", { ...programsEnv(database), WORDLOOM_HTTP_HOST: host })
      await saidWhy(program, 1, [new RegExp(host.replaceAll(".", "\\."))])
    }
  })

  for (const setting of ["OUTBOX_HTTP_PORT", "OUTBOX_METRICS_PORT"]) {
    it(`exits 1 when the worker's ${setting} is taken`, async () => {
      const { port, stop } = await listener()
      const program = start("worker", { ...programsEnv(database), [setting]: String(port) })
      await saidWhy(program, 1, [new RegExp(`^port ${port} is in use`)])
      stop()
    })
  }

  it("exits 1 when the database refuses, wherever and whyever, and keeps the password", async () => {
    const url = new URL(database.url)
    const at = `PostgreSQL at ${url.hostname}:${url.port}`
    const changed = (parts: Partial<Pick<URL, "hostname" | "password" | "pathname" | "port" | "username">>) =>
      Object.assign(new URL(url), { password: secret, ...parts }).href
    const closed = await listener()
    closed.stop()
    const noPostgres = await listener((socket) => socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n"))
    const hangsUp = await listener((socket) => socket.on("error", () => {}).destroy())
    const cases: ReadonlyArray<readonly [address: string, said: RegExp]> = [
      [changed({}), new RegExp(`^${at}, database test_\\w+, user ${url.username}: .*password.* \\(28P01\\)$`)],
      [changed({ username: "nobody-here" }), new RegExp(`^${at}, .*user nobody-here: .*\\(28P01\\)$`)],
      [
        changed({ password: url.password, pathname: "/nowhere" }),
        new RegExp(`^${at}, database nowhere, .*"nowhere" does not exist \\(3D000\\)$`)
      ],
      [changed({ port: String(closed.port) }), new RegExp(`^PostgreSQL at .*:${closed.port}, .*ECONNREFUSED`)],
      [changed({ hostname: "nowhere.invalid" }), /^PostgreSQL at nowhere\.invalid:\d+, .*(ENOTFOUND|EAI_AGAIN)/],
      [changed({ port: String(noPostgres.port) }), new RegExp(`^PostgreSQL at .*:${noPostgres.port}, `)],
      [changed({ port: String(hangsUp.port) }), new RegExp(`^PostgreSQL at .*:${hangsUp.port}, `)]
    ]
    for (const [address, said] of cases) {
      for (const name of ["api", "worker"] as const) {
        const program = start(name, { ...programsEnv(database), DATABASE_URL: address })
        await saidWhy(program, 1, [said])
        keepsTheSecret(program)
      }
    }
    noPostgres.stop()
    hangsUp.stop()
  })

  it("gives up on a database that takes the connection and never answers", async () => {
    const sockets: Array<Socket> = []
    const silent = await listener((socket) => sockets.push(socket.on("error", () => {})))
    const url = new URL(database.url)
    url.port = String(silent.port)
    url.password = secret
    const program = start("api", { ...programsEnv(database), DATABASE_URL: url.href })
    await saidWhy(program, 1, [new RegExp(`^PostgreSQL at .*:${silent.port}, `)])
    keepsTheSecret(program)
    for (const socket of sockets) socket.destroy()
    silent.stop()
  })

  it("lets one live worker have a name, and the next one once it is dead", async () => {
    const env = { ...programsEnv(database), OUTBOX_WORKER_ID: "one-and-only" }
    const first = start("worker", env)
    await first.printed(/draining/)
    await saidWhy(start("worker", env), 1, [/^another live worker is called one-and-only: set OUTBOX_WORKER_ID/])
    assert.isNull(first.process.exitCode)
    await first.stop("SIGKILL")
    const free = () => database.query("select from pg_locks where locktype = 'advisory'")
    await until("the database to notice", async () => (await free()).length === 0)
    const next = start("worker", env)
    await next.printed(/draining/)
    assert.strictEqual(await next.stop(), 0)
  })

  it("takes SQLAlchemy's spelling of the address, and PORT for the port", async () => {
    const { DATABASE_URL, WORDLOOM_HTTP_PORT: _port, ...env } = programsEnv(database)
    const address = DATABASE_URL.replace("postgresql://", "postgresql+psycopg://")
    const program = start("api", { ...env, DATABASE_URL: address, PORT: "0" })
    const call = callerOf(await listening(program))
    assert.strictEqual((await call("GET", "/health/ready")).status, 200)
    assert.strictEqual(await program.stop(), 0)
  })

  it("says what is allowed but hardly meant", async () => {
    const program = start("api", {
      ...programsEnv(database),
      WORDLOOM_TRACING_ENABLED: "1",
      OTEL_ENABLED: "0",
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4317",
      OTEL_TRACES_SAMPLER: "traceidratio"
    })
    await listening(program)
    assert.match(program.output(), /"message":"tracing is export".*"decided_by":"WORDLOOM_TRACING_ENABLED"/)
    const warnings = program.output().split("\n").filter((line) => line.includes("\"level\":\"warn\""))
    assert.strictEqual(warnings.length, 3, program.output())
    assert.match(
      warnings[0]!,
      /WORDLOOM_TRACING_ENABLED, OTEL_ENABLED contradict each other: WORDLOOM_TRACING_ENABLED decides/
    )
    assert.match(warnings[1]!, /port 4317 usually speaks gRPC/)
    assert.match(warnings[2]!, /treated as parentbased_traceidratio/)
    assert.strictEqual(await program.stop(), 0)
  })

  it("runs several programs at once on an empty database: one migrates, the others wait", async () => {
    const empty = await ownDatabase()
    const programs = [
      start("api", programsEnv(empty)),
      start("worker", programsEnv(empty)),
      start("api", programsEnv(empty))
    ]
    await Promise.all(programs.map((program) => program.printed(/listening|draining/)))
    const migrated = programs.filter((program) => program.output().includes("the database was migrated"))
    assert.strictEqual(migrated.length, 1)
    assert.deepStrictEqual(await Promise.all(programs.map((program) => program.stop())), [0, 0, 0])
    await empty.drop()
  })
})
