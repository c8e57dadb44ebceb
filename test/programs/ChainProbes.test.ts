/** What probes and scrapes hear of the realtime chain's programs, whole and in trouble; skipped without a NATS. */
import { assert, it } from "@effect/vitest"
import { reservePorts } from "../../infra/servers/system.js"
import { callerOf } from "../support/HttpCall.ts"
import { noNats } from "../support/NatsServer.ts"
import { startProgram, until } from "../support/Programs.ts"
import { chain } from "../support/RealtimeChain.ts"
import { connect } from "../support/RealtimeClients.ts"
import { describeUnless } from "../support/Unless.ts"

const down = { status: "fail", message: "no answer" }

describeUnless(noNats, "probes of the chain", () => {
  it("tell what each program needs, and which of it is missing", async () => {
    const ports = await reservePorts({ gateway: 0, logic: 0, task: 0, worker: 0 })
    const running = await chain({
      WORDLOOM_GATEWAY_HTTP_PORT: String(ports.gateway),
      WORDLOOM_LOGIC_HTTP_PORT: String(ports.logic),
      WORDLOOM_TASK_HTTP_PORT: String(ports.task)
    })
    const ask = async (program: keyof typeof ports, path: string) => {
      const { body, status, text } = await callerOf(`http://127.0.0.1:${ports[program]}`)("GET", path)
      return { status, body, text }
    }
    const ready = async (program: keyof typeof ports) => {
      const { body, status } = await ask(program, "/health/ready")
      return { status, checks: body.checks as Record<string, any> }
    }
    const becomes = (program: keyof typeof ports, status: number) =>
      until(`${program} to answer ${status}`, async () => {
        const found = await ready(program)
        if (found.status === status) return found
        throw new Error(JSON.stringify(found))
      })
    try {
      const logic = await running.logic()
      const [task, { program: gateway, url }] = [await running.task(), await running.gateway()]
      const worker = startProgram("worker", {
        ...running.env,
        OUTBOX_PROJECTIONS: "realtime",
        OUTBOX_HTTP_PORT: String(ports.worker),
        OUTBOX_METRICS_PORT: "0"
      })
      await worker.printed(/draining realtime/)
      const needs = {
        gateway: ["logic", "websocket_server"],
        logic: ["database", "nats", "grpc_server", "outbox"],
        task: ["database", "nats"],
        worker: ["database", "nats", "outbox"]
      }
      for (const [program, names] of Object.entries(needs) as ReadonlyArray<[keyof typeof ports, Array<string>]>) {
        const { checks } = await becomes(program, 200)
        for (const name of names) assert.deepInclude(checks[name], { status: "pass" }, `${program}: ${name}`)
        assert.deepStrictEqual((await ask(program, "/health")).body, { status: "ok" })
        assert.deepInclude((await ask(program, "/health/live")).body, { status: "healthy" })
        assert.deepInclude((await ask(program, "/health/startup")).body, { status: "ready" })
      }
      const { body: { checks } } = await ask("gateway", "/health/startup")
      assert.deepStrictEqual(checks.websocket_server, { status: "pass", port: Number(new URL(url).port) })

      await running.database.query("insert into tags (id, name, color) values ($1::uuid, $1, '#000000')", tag)
      const client = await connect(url)
      client.send({ type: "join", session: `tag/${tag}` })
      await client.frame("joined", ({ type }) => type === "joined")
      client.send({ type: "send", session: `tag/${tag}`, client_id: "c-1", text: "hello" })
      client.send({ type: "send", session: "tag/none", client_id: "c-2", text: "hello" })
      await client.frame("the message", ({ type }) => type === "message")
      const shows = async (program: keyof typeof ports, ...samples: ReadonlyArray<string>) => {
        const { text } = await ask(program, "/metrics")
        for (const sample of samples) assert.include(text.split("\n"), sample)
      }
      await shows(
        "gateway",
        "wordloom_realtime_connections 1",
        "wordloom_realtime_sessions 1",
        "wordloom_realtime_messages_total{direction=\"sent\",result=\"ok\"} 1",
        "wordloom_realtime_refused_total{code=\"session_unknown\"} 1",
        "wordloom_realtime_joins_total{kind=\"fresh\"} 1"
      )
      await shows("task", "wordloom_realtime_pushes_total{result=\"ok\"} 1", "wordloom_realtime_push_seconds_count 1")

      await logic.stop("SIGKILL")
      assert.deepInclude((await becomes("gateway", 503)).checks["logic"], down)
      assert.strictEqual((await ask("gateway", "/health/live")).status, 200)
      // What the worker of realtime relays nobody else does now.
      const replay = ["outbox", "replay", "--projection", "realtime", "--status", "done"]
      const replayed = startProgram("wordloom", running.env, replay)
      await replayed.ended
      assert.match(replayed.output(), /1/)
      await until("the row to be relayed again", async () => {
        const [row] = await running.database.query("select count(*)::int as left from outbox_realtime")
        return row!["left"] === 0
      })
      await running.logic()
      await becomes("gateway", 200)

      await running.nats.crash()
      for (const program of ["logic", "task", "worker"] as const) {
        assert.deepInclude((await becomes(program, 503)).checks["nats"], down)
        assert.strictEqual((await ask(program, "/health/live")).status, 200)
      }
      assert.strictEqual((await ready("gateway")).status, 200)
      await running.nats.again()
      for (const program of ["logic", "task", "worker"] as const) await becomes(program, 200)
      assert.deepStrictEqual(await Promise.all([worker, task, gateway].map((program) => program.stop())), [0, 0, 0])
    } finally {
      await running.stop()
    }
  })
})

const tag = "0198f2a0-0000-7000-8000-0000000000aa"
