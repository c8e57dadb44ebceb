/** What frames can ask for and tell beside messages: a trace that is kept whole, and numbers that are not kept. */
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { afterAll, beforeAll } from "vitest"
import { keyedHash } from "../../layers/telemetry/KeyedHash.ts"
import * as DebugToken from "../../src/telemetry/DebugToken.ts"
import { otlpReceiver } from "../support/OtlpReceiver.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { connect, type RawClient } from "../support/RealtimeClients.ts"

const secret = "a secret of the tests' own"
const hash = keyedHash(Redacted.make(secret))
const inAMinute = () => Math.floor(Date.now() / 1_000) + 60

describe("frames", () => {
  let program: Program
  let database: OwnDatabase
  let collector: Awaited<ReturnType<typeof otlpReceiver>>
  let url: string

  beforeAll(async () => {
    ;[database, collector] = [await ownDatabase(), await otlpReceiver()]
    program = startProgram("start", {
      DATABASE_URL: database.url,
      WORDLOOM_HTTP_PORT: "0",
      WORDLOOM_WS_PORT: "0",
      WORDLOOM_TRACING_ENABLED: "1",
      WORDLOOM_TRACE_SECRET: secret,
      WORDLOOM_SHUTDOWN_GRACE: "5s",
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0",
      // On a full machine a message may well take a second.
      WORDLOOM_TRACE_SLOW: "10m",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: "50"
    })
    url = (await program.printed(/gateway listening on (ws:[^"]+)/))[1]!
  })

  afterAll(async () => {
    await program.stop()
    await collector.stop()
    await database.drop()
  })

  const newTag = async () => {
    const id = crypto.randomUUID()
    await database.query("insert into tags (id, name, color) values ($1::uuid, $1, '#000000')", id)
    return `tag/${id}`
  }

  const join = async (client: RawClient, session: string, more: object = {}) => {
    client.send({ type: "join", session, ...more })
    return client.frame("joined", ({ type }) => type === "joined")
  }

  it("come in by a door that the program's probes know", async () => {
    const [, base] = await program.printed(/wordloom ready (\S+)/)
    const { checks } = await (await fetch(`${base}/health/startup`)).json() as Record<string, any>
    assert.deepStrictEqual(checks.websocket_server, { status: "pass", port: Number(new URL(url).port) })
    const knock = async (path: string) => (await fetch(new URL(path, url.replace("ws:", "http:")))).status
    assert.deepStrictEqual([await knock("/health"), await knock("/health/ready")], [200, 426])
  })

  it("with a valid debug token have their traces kept whole, and with any other word none", async () => {
    const session = await newTag()
    const client = await connect(url)
    await join(client, session)
    const say = async (client_id: string, more: object) => {
      client.send({ type: "send", session, client_id, text: "hello", ...more })
      const sent = await client.frame("sent", ({ client_id: id, type }) => type === "sent" && id === client_id)
      return String(sent["trace_id"])
    }
    const others = new Set([
      await say("c-1", {}),
      await say("c-2", { debug: "1" }),
      await say("c-3", { debug: `${DebugToken.make(hash, inAMinute()).slice(0, -1)}x` }),
      await say("c-4", { debug: DebugToken.make(hash, inAMinute() - 120) }),
      await say("c-5", { debug: 7 }),
      await say("c-6", { TraceState: "wordloom=d:1" })
    ])
    const kept = await say("c-7", { debug: DebugToken.make(hash, inAMinute()) })
    const spans = await until("the push", () => {
      const found = collector.spans.filter(({ traceId }) => traceId === kept)
      return found.some(({ name }) => name === "task.push.gateway") ? found : undefined
    })
    const root = spans.find(({ name }) => name === "gateway.ws.on_message")!
    assert.strictEqual(root.attributes["wordloom.debug"], true)
    assert.includeMembers(spans.map(({ name }) => name), [
      "gateway.grpc.send_message",
      "logic.db.save_message",
      "outbox.process",
      "logic.mq.publish",
      "task.mq.consume"
    ])
    await client.frame("the last", ({ seq, type }) => type === "message" && seq === 7)
    assert.isEmpty(collector.spans.filter(({ traceId }) => others.has(traceId)))
    client.socket.close()
  })

  it("say which messages are not kept any more", async () => {
    const session = await newTag()
    const [ann, bob] = [await connect(url, "ann"), await connect(url, "bob")]
    await join(ann, session)
    for (let each = 1; each <= 5; each++) ann.send({ type: "send", session, client_id: `c-${each}`, text: "hello" })
    await ann.frame("the fifth", ({ seq, type }) => type === "sent" && seq === 5)
    const forget = "delete from realtime_messages where session_id = $1::uuid and seq <= 3"
    await database.query(forget, session.slice(4))
    await join(bob, session, { after: 1 })
    await bob.frame("the fifth", ({ seq, type }) => type === "message" && seq === 5)
    bob.send({ type: "history", session, after: 0 })
    await bob.frame("the history", ({ type }) => type === "history")
    assert.deepStrictEqual(bob.frames.slice(2).map(brief), [
      "expired 2-3",
      "message 4",
      "message 5",
      "expired 1-3",
      "history 4,5"
    ])
    for (const client of [ann, bob]) client.socket.close()
  })
})

const brief = (frame: Record<string, any>) => {
  if (frame["type"] === "expired") return `expired ${frame["from_seq"]}-${frame["to_seq"]}`
  if (frame["type"] === "message") return `message ${frame["seq"]}`
  return `${frame["type"]} ${frame["messages"].map(({ seq }: { readonly seq: number }) => seq).join()}`
}
