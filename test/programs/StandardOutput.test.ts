/** Nobody waits for whoever reads the log: a pipe that is not read, one that is closed, a disk that is full. */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, openSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll } from "vitest"
import { reservePorts } from "../../infra/servers/system.js"
import { type Caller, callerOf } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { until } from "../support/Programs.ts"
import { parseMetrics } from "../support/Prometheus.ts"
import { logLines, newTag, programsEnv } from "../support/RunningApi.ts"

const api = fileURLToPath(new URL("../../programs/api.js", import.meta.url))

/** More than a pipe and the queue behind it hold, at some 300 bytes a line. */
const longId = "x".repeat(64)

describe("standard output", () => {
  let database: OwnDatabase
  beforeAll(async () => {
    database = await ownDatabase()
  })
  afterAll(() => database.drop())

  const started = async (stdout: "pipe" | number) => {
    const { port } = await reservePorts({ port: 0 })
    const child = spawn(process.execPath, [api], {
      env: {
        PATH: process.env["PATH"],
        ...programsEnv(database),
        WORDLOOM_HTTP_PORT: String(port),
        WORDLOOM_LOG_FORMAT: "json",
        WORDLOOM_LOG_LEVEL: "debug"
      },
      stdio: ["ignore", stdout, "inherit"]
    })
    const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>
    const call = callerOf(`http://127.0.0.1:${port}`)
    await until("the API", async () => (await call("GET", "/health/live")).status === 200)
    const stop = async () => {
      child.kill("SIGTERM")
      return (await ended)[0]
    }
    return { child, call, stop, ended }
  }

  const dropped = async (call: Caller, reason: string) =>
    parseMetrics((await call("GET", "/metrics")).text).get("wordloom_log_lines_dropped_total")!.samples.find((
      { labels }
    ) => labels["reason"] === reason)!.value

  /** Requests that leave a line each, many at a time. */
  const talk = (call: Caller, times: number) =>
    Promise.all(
      Array.from({ length: times }, () =>
        call("GET", `/nope/${"y".repeat(4_000)}`, { headers: { "x-request-id": longId } }))
    )

  it("is waited for by no request while nobody reads it, and what it does not take is counted and told", async () => {
    const { call, child, ended, stop } = await started("pipe")
    try {
      // A stream that nobody listens to is not read: the pipe is full after 64 KiB.
      for (let round = 0; round < 100 && (await dropped(call, "full")) === 0; round++) await talk(call, 50)
      assert.isAbove(await dropped(call, "full"), 0)
      await newTag(call)
      assert.strictEqual((await call("GET", "/health/live")).status, 200)
      let out = ""
      const closed = once(child, "close")
      child.stdout!.setEncoding("utf8").on("data", (text: string) => {
        out += text
      })
      await until("what was lost to be told", () => out.includes("log lines were lost"))
      assert.strictEqual(await stop(), 0)
      await closed
      const lines = logLines({ output: () => out } as never)
      assert.isAbove(lines.find(({ message }) => /log lines were lost/.test(message))!["lines"], 0)
    } finally {
      child.kill("SIGKILL")
      await ended
    }
  })

  it("is not missed once it is closed", async () => {
    const { call, child, ended, stop } = await started("pipe")
    try {
      child.stdout!.destroy()
      await talk(call, 20)
      await newTag(call)
      assert.isAbove(await dropped(call, "failed"), 0)
      assert.strictEqual(await stop(), 0)
    } finally {
      child.kill("SIGKILL")
      await ended
    }
  })

  it("may be a disk that is full", async () => {
    const full = openSync("/dev/full", "w")
    const { call, child, ended, stop } = await started(full)
    try {
      await talk(call, 20)
      await newTag(call)
      await until("lines that were refused", async () => (await dropped(call, "failed")) > 0)
      assert.strictEqual(await stop(), 0)
    } finally {
      closeSync(full)
      child.kill("SIGKILL")
      await ended
    }
  })

  it("tells more after SIGUSR2, and as much as before after the next", async () => {
    const { call, child, ended, stop } = await started("pipe")
    let out = ""
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      out += text
    })
    try {
      child.kill("SIGUSR2")
      await until("it to say so", () => /SIGUSR2: .* is info and/.test(out))
      child.kill("SIGUSR2")
      await until("it to say so again", () => /SIGUSR2: .* is debug and/.test(out))
      assert.strictEqual((await call("GET", "/health")).status, 200)
      assert.strictEqual(await stop(), 0)
    } finally {
      child.kill("SIGKILL")
      await ended
    }
  })
})
