/** A client's message, followed through real programs: in one process, and over gRPC, NATS and TCP between several. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { noNats } from "../support/NatsServer.ts"
import { otlpReceiver, type ReceivedSpan } from "../support/OtlpReceiver.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { type Chain, chain } from "../support/RealtimeChain.ts"
import { connect, type RawClient } from "../support/RealtimeClients.ts"
import { describeUnless } from "../support/Unless.ts"

interface Scene {
  readonly url: string
  readonly database: OwnDatabase
  readonly collector: Awaited<ReturnType<typeof otlpReceiver>>
}

/** Each span of the tree under its parent, and whose it is. */
const tree: ReadonlyArray<readonly [name: string, parent: string, service: string, kind: ReceivedSpan["kind"]]> = [
  ["gateway.grpc.send_message", "gateway.ws.on_message", "wordloom-gateway", "CLIENT"],
  ["gateway.ws.send_response", "gateway.ws.on_message", "wordloom-gateway", "INTERNAL"],
  ["logic.chat.send_message", "gateway.grpc.send_message", "wordloom-logic", "SERVER"],
  ["db.tx", "logic.chat.send_message", "wordloom-logic", "INTERNAL"],
  ["logic.db.save_message", "db.tx", "wordloom-logic", "CLIENT"],
  ["outbox.enqueue", "logic.chat.send_message", "wordloom-logic", "PRODUCER"],
  ["outbox.wait", "outbox.enqueue", "wordloom-logic", "INTERNAL"],
  ["outbox.process", "outbox.enqueue", "wordloom-logic", "CONSUMER"],
  ["logic.mq.publish", "outbox.process", "wordloom-logic", "PRODUCER"],
  ["outbox.ack", "outbox.process", "wordloom-logic", "INTERNAL"],
  ["task.mq.consume", "logic.mq.publish", "wordloom-task", "CONSUMER"],
  ["task.push.gateway", "task.mq.consume", "wordloom-task", "CLIENT"]
]

const newTag = async ({ database }: Scene) => {
  const id = crypto.randomUUID()
  await database.query("insert into tags (id, name, color) values ($1::uuid, $1, '#000000')", id)
  return `tag/${id}`
}

const joined = async (client: RawClient, session: string, after?: number) => {
  client.send({ type: "join", session, ...(after === undefined ? {} : { after }) })
  return client.frame("joined", ({ type }) => type === "joined")
}

const numbered = (client: RawClient) =>
  client.frames.filter(({ type }) => type === "message").map(({ seq }) => Number(seq))

const checkTree = async (scene: Scene) => {
  const session = await newTag(scene)
  const [ann, bob] = [await connect(scene.url, "ann"), await connect(scene.url, "bob")]
  await joined(ann, session)
  await joined(bob, session)
  ann.send({ type: "send", session, client_id: "c-1", text: "hello" })
  const sent = await ann.frame("sent", ({ type }) => type === "sent")
  const told = await bob.frame("the message", ({ type }) => type === "message")
  assert.deepStrictEqual([told["seq"], told["from_user"], told["body"]], [1, "ann", { text: "hello" }])
  const spans = await until("the whole trace", () => {
    const found = scene.collector.spans.filter(({ traceId }) => traceId === sent["trace_id"])
    return [...tree.map(([name]) => name), "gateway.ws.on_message"].every((name) =>
        found.some((span) => span.name === name)
      )
      ? found
      : undefined
  })
  const named = (name: string) => {
    const found = spans.filter((span) => span.name === name)
    assert.lengthOf(found, 1, name)
    return found[0]!
  }
  const root = named("gateway.ws.on_message")
  assert.deepStrictEqual([root.parentSpanId, root.service, root.kind], ["", "wordloom-gateway", "CONSUMER"])
  for (const [name, parent, service, kind] of tree) {
    const span = named(name)
    assert.deepStrictEqual([name, span.service, span.kind], [name, service, kind])
    assert.strictEqual(span.parentSpanId, named(parent).spanId, `${name} below ${parent}`)
    assert.strictEqual(span.statusCode, 0, name)
  }
  const attribute = (name: string, key: string) => named(name).attributes[key]
  for (const name of ["gateway.ws.on_message", "outbox.process"]) {
    assert.strictEqual(attribute(name, "x_request_id"), sent["request_id"], name)
  }
  assert.strictEqual(attribute("logic.chat.send_message", "session_id"), session.slice(4))
  assert.strictEqual(attribute("logic.chat.send_message", "from_user"), "ann")
  assert.strictEqual(attribute("logic.db.save_message", "db.table"), "realtime_messages")
  assert.strictEqual(attribute("logic.db.save_message", "db.rows"), 1)
  for (const name of ["logic.mq.publish", "task.mq.consume"]) {
    assert.strictEqual(attribute(name, "mq.topic"), "wordloom.realtime")
  }
  assert.strictEqual(attribute("task.push.gateway", "user_count"), 2)
  assert.isString(attribute("task.push.gateway", "gateway_id"))
  const [row] = await scene.database.query(
    "select traceparent from realtime_outbox_events where entity_id = $1::uuid",
    session.slice(4)
  )
  assert.strictEqual(row!["traceparent"], `00-${sent["trace_id"]}-${named("outbox.enqueue").spanId}-01`)
  for (const client of [ann, bob]) client.socket.close()
}

const checkContexts = async (scene: Scene) => {
  const session = await newTag(scene)
  const client = await connect(scene.url)
  await joined(client, session)
  const traceId = "0af7651916cd43dd8448eb211c80319c"
  const say = async (client_id: string, more: object) => {
    client.send({ type: "send", session, client_id, text: "hello", ...more })
    const sent = await client.frame("sent", (frame) => frame["client_id"] === client_id && frame["type"] === "sent")
    return String(sent["trace_id"])
  }
  assert.strictEqual(await say("c-1", { TraceParent: `00-${traceId}-b7ad6b7169203331-01` }), traceId)
  const others = [await say("c-2", {}), await say("c-3", { TraceParent: "junk" }), await say("c-4", { TraceParent: 7 })]
  assert.strictEqual(new Set([traceId, ...others]).size, 4)
  client.socket.close()
}

const checkBounds = async (scene: Scene) => {
  const session = await newTag(scene)
  const client = await connect(scene.url)
  const refusal = async (frame: unknown, code: string) => {
    client.send(frame)
    await client.frame(code, (found) => found["type"] === "error" && found["code"] === code)
  }
  await refusal("{not json", "frame_invalid")
  await refusal({ type: "send", session, client_id: "c-1", text: "hello" }, "not_joined")
  await refusal({ type: "join", session: "block/0198f2a0-0000-7000-8000-00000000000f" }, "session_unknown")
  await joined(client, session)
  client.send({ type: "ping" })
  await client.frame("pong", ({ type }) => type === "pong")
  for (let each = 0; each < 150; each++) client.send({ type: "ping" })
  await client.frame("rate_limited", ({ code }) => code === "rate_limited")
  client.socket.close()
  const closed = async (data: string | Buffer) => {
    const other = await connect(scene.url)
    other.socket.send(data)
    return (await other.closed).code
  }
  assert.strictEqual(await closed(JSON.stringify({ type: "ping", more: "x".repeat(70_000) })), 1009)
  assert.strictEqual(await closed(Buffer.from([1, 2, 3])), 1003)
  const kept = "select 1 from realtime_messages where session_id = $1::uuid"
  assert.deepStrictEqual(await scene.database.query(kept, session.slice(4)), [])
}

const checkResumption = async (scene: Scene) => {
  const session = await newTag(scene)
  const [ann, bob] = [await connect(scene.url, "ann"), await connect(scene.url, "bob")]
  await joined(ann, session)
  await joined(bob, session)
  const say = async (from: number, to: number) => {
    for (let each = from; each <= to; each++) ann.send({ type: "send", session, client_id: `c-${each}`, text: "hello" })
    await ann.frame(`the answer to ${to}`, (frame) => frame["type"] === "sent" && frame["seq"] === to)
  }
  await say(1, 3)
  await bob.frame("the third", ({ seq, type }) => type === "message" && seq === 3)
  bob.socket.terminate()
  await say(4, 6)
  const again = await connect(scene.url, "bob")
  assert.strictEqual((await joined(again, session, 3))["from_seq"], 3)
  await again.frame("the sixth", ({ seq, type }) => type === "message" && seq === 6)
  await say(7, 7)
  await again.frame("the seventh", ({ seq, type }) => type === "message" && seq === 7)
  assert.deepStrictEqual(numbered(again), [4, 5, 6, 7])
  for (const client of [ann, again]) client.socket.close()
}

describe("realtime in one process", () => {
  let scene: Scene
  let program: Program
  let base: string

  beforeAll(async () => {
    const [database, collector] = [await ownDatabase(), await otlpReceiver()]
    program = startProgram("start", {
      DATABASE_URL: database.url,
      WORDLOOM_HTTP_PORT: "0",
      WORDLOOM_WS_PORT: "0",
      WORDLOOM_TRACING_ENABLED: "1",
      WORDLOOM_SHUTDOWN_GRACE: "5s",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: "50"
    })
    base = (await program.printed(/wordloom ready (\S+)/))[1]!
    scene = { database, collector, url: (await program.printed(/gateway listening on (ws:[^"]+)/))[1]! }
  })

  afterAll(async () => {
    await program.stop()
    await scene.collector.stop()
    await scene.database.drop()
  })

  it("tells one message in one trace", () => checkTree(scene))
  it("begins a root unless the envelope has a valid TraceParent", () => checkContexts(scene))
  it("answers clearly what it does not take", () => checkBounds(scene))
  it("gives who comes back what was missed, once", () => checkResumption(scene))

  it("tells whoever has a tag open of its committed change, in the request's trace", async () => {
    const call = async (method: string, path: string, body: object) => {
      const headers = { "content-type": "application/json" }
      const response = await fetch(base + path, { method, headers, body: JSON.stringify(body) })
      return { body: await response.json() as Record<string, any>, trace: response.headers.get("traceparent")! }
    }
    const { body: tag } = await call("POST", "/api/v1/tags", { name: "open", color: "#000000" })
    const client = await connect(scene.url)
    await joined(client, `tag/${tag["id"]}`)
    const { trace } = await call("PATCH", `/api/v1/tags/${tag["id"]}`, { color: "#FFFFFF" })
    const told = await client.frame("the change", ({ kind }) => kind === "change")
    assert.deepInclude(told["body"], { entity_id: tag["id"], version: 2, op: "upsert" })
    assert.strictEqual(String(told["TraceParent"]).slice(3, 35), trace.slice(3, 35))
    client.socket.close()
  })

  it("says good-bye when it is stopped", async () => {
    const client = await connect(scene.url)
    assert.strictEqual(await program.stop(), 0)
    assert.deepStrictEqual(await client.closed, { code: 1001, reason: "draining" })
  })
})

describeUnless(noNats, "realtime between processes", () => {
  let running: Chain
  let scene: Scene
  let logic: Program

  beforeAll(async () => {
    const collector = await otlpReceiver()
    running = await chain({ WORDLOOM_TRACING_ENABLED: "1", OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
    logic = await running.logic()
    await running.task()
    const { url } = await running.gateway()
    scene = { database: running.database, collector, url }
  })

  afterAll(async () => {
    await running.stop()
    await scene.collector.stop()
  })

  it("tells one message in one trace", () => checkTree(scene))
  it("begins a root unless the envelope has a valid TraceParent", () => checkContexts(scene))
  it("gives who comes back what was missed, once", () => checkResumption(scene))

  it("brings everything back after NATS lost it, without doubles at the clients", async () => {
    const session = await newTag(scene)
    const client = await connect(scene.url)
    await joined(client, session)
    for (let each = 1; each <= 5; each++) {
      client.send({ type: "send", session, client_id: `c-${each}`, text: "hello" })
    }
    await client.frame("the fifth", ({ seq, type }) => type === "message" && seq === 5)
    const replay = startProgram("wordloom", running.env, [
      "outbox",
      "replay",
      "--projection",
      "realtime",
      "--status",
      "done"
    ])
    await replay.ended
    assert.strictEqual(replay.process.exitCode, 0, replay.errors())
    await until("the replayed rows to be relayed again", async () => {
      const [row] = await scene.database.query("select count(*)::int as left from outbox_realtime")
      return row!["left"] === 0
    })
    client.send({ type: "send", session, client_id: "c-6", text: "hello" })
    await client.frame("the sixth", ({ seq, type }) => type === "message" && seq === 6)
    assert.deepStrictEqual(numbered(client), [1, 2, 3, 4, 5, 6])
    client.socket.close()
  })

  it("answers that logic is away, and takes the same message once it is back", async () => {
    const session = await newTag(scene)
    const client = await connect(scene.url)
    // Killed right after the answer, logic is asked in vain for what was said before it.
    await joined(client, session)
    await logic.stop("SIGKILL")
    const say = () => client.send({ type: "send", session, client_id: "c-1", text: "hello" })
    say()
    await client.frame("unavailable", ({ code }) => code === "unavailable")
    logic = await running.logic()
    await until("the message to be taken", async () => {
      const before = client.frames.length
      say()
      await until("an answer", () => client.frames.length > before)
      return client.frames.some(({ type }) => type === "sent")
    })
    await client.frame("the message", ({ seq, type }) => type === "message" && seq === 1)
    client.socket.close()
  })
})
