/**
 * S4's sampling table over the realtime chain, in a real Jaeger: a tenth of the normal messages, and every one that
 * failed, was slow or was asked for; each whole, with its spans from all processes or from none.
 */
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { missing, start } from "../../infra/servers.js"
import { keyedHash } from "../../layers/telemetry/KeyedHash.ts"
import * as Baseline from "../../src/telemetry/Baseline.ts"
import * as DebugToken from "../../src/telemetry/DebugToken.ts"
import { callerOf } from "../support/HttpCall.ts"
import { noNats } from "../support/NatsServer.ts"
import { startProgram, until } from "../support/Programs.ts"
import { chain } from "../support/RealtimeChain.ts"
import { connect, type RawClient } from "../support/RealtimeClients.ts"
import { listening, newTag as createdTag, programsEnv } from "../support/RunningApi.ts"

const lacking = process.env["WORDLOOM_FULL"] === "1" ? missing("jaeger") ?? noNats : "only with `npm run test:full`"
if (lacking !== undefined) console.warn(`Sampling over the chain is not tested: ${lacking}`)

const secret = "a secret of the tests' own"
const ratio = 0.1
const speakers = 20

interface JaegerSpan {
  readonly spanID: string
  readonly operationName: string
  readonly duration: number
  readonly processID: string
  readonly references: ReadonlyArray<{ readonly refType: string; readonly spanID: string; readonly traceID: string }>
}
interface JaegerTrace {
  readonly traceID: string
  readonly spans: ReadonlyArray<JaegerSpan>
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>
}

/** Every span that a message has. */
const tree = [
  "wordloom-gateway gateway.ws.on_message",
  "wordloom-gateway gateway.grpc.send_message",
  "wordloom-gateway gateway.ws.send_response",
  "wordloom-logic logic.chat.send_message",
  "wordloom-logic db.tx",
  "wordloom-logic logic.db.save_message",
  "wordloom-logic outbox.enqueue",
  "wordloom-logic outbox.wait",
  "wordloom-logic outbox.process",
  "wordloom-logic logic.mq.publish",
  "wordloom-logic outbox.ack",
  "wordloom-task task.mq.consume",
  "wordloom-task task.push.gateway",
  "wordloom-gateway gateway.push.receive"
]

const namesOf = ({ processes, spans }: JaegerTrace) =>
  spans.map(({ operationName, processID }) => `${processes[processID]!.serviceName} ${operationName}`)

/** What a trace lacks to be whole: spans, or parents of those that are there. */
const lackOf = (trace: JaegerTrace | undefined): ReadonlyArray<string> => {
  if (trace === undefined) return ["everything"]
  const [names, ids] = [new Set(namesOf(trace)), new Set(trace.spans.map(({ spanID }) => spanID))]
  const orphans = trace.spans.filter(({ references }) =>
    references.some(({ refType, spanID, traceID }) =>
      refType === "CHILD_OF" && traceID === trace.traceID && !ids.has(spanID)
    )
  )
  return [
    ...tree.filter((name) => !names.has(name)),
    ...orphans.map(({ operationName }) => `the parent of ${operationName}`)
  ]
}

const slowest = ({ spans }: JaegerTrace) => Math.max(...spans.map(({ duration }) => duration)) / 1e6

type Kind = "normal" | "fail" | "slow" | "debug"

/** Whoever speaks waits for each answer, so that no queue makes a message slow. */
const say = async (client: RawClient, session: string, client_id: string, more: object = {}) => {
  client.send({ type: "send", session, client_id, text: "hello", ...more })
  const sent = await client.frame("sent", (frame) => frame["type"] === "sent" && frame["client_id"] === client_id)
  return String(sent["trace_id"])
}

describe.skipIf(lacking !== undefined)("the sampling table over the chain", () => {
  it("is kept by all processes alike, in Jaeger", async () => {
    const jaeger = await start("jaeger")
    const running = await chain({
      WORDLOOM_TRACING_ENABLED: "1",
      WORDLOOM_TRACE_SECRET: secret,
      OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.urls.otlp,
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: String(ratio)
    })
    const api = startProgram("api", { ...running.env, ...programsEnv(running.database) })
    const { query } = running.database
    const traceOf = async (id: string) => {
      const answer = await fetch(`${jaeger.urls.query}/api/traces/${id}`)
      return ((await answer.json()) as { readonly data?: [JaegerTrace] }).data?.[0]
    }
    try {
      const programs = [await running.logic(), await running.task()]
      const { program, url } = await running.gateway()
      const clients = await Promise.all(Array.from({ length: speakers }, (_, n) => connect(url, `u${n}`)))
      const opened = async () => {
        const id = crypto.randomUUID()
        await query("insert into tags (id, name, color) values ($1::uuid, $1, '#000000')", id)
        for (const client of clients) {
          client.send({ type: "join", session: `tag/${id}` })
          await client.frame("joined", ({ session, type }) => type === "joined" && session === `tag/${id}`)
        }
        return { id, session: `tag/${id}` }
      }
      const sent: Record<Kind, Array<string>> = { normal: [], fail: [], slow: [], debug: [] }
      const each = async (kind: Kind, session: string, count: number, more: () => object = () => ({})) => {
        await Promise.all(clients.map(async (client, n) => {
          for (let at = 0; at < count; at++) {
            sent[kind].push(await say(client, session, `${kind}-${n}-${at}`, more()))
          }
        }))
      }

      const normal = await opened()
      await each("normal", normal.session, 1_000 / speakers)
      await each("debug", normal.session, 1, () => ({
        debug: DebugToken.make(keyedHash(Redacted.make(secret)), Math.floor(Date.now() / 1_000) + 60)
      }))

      // A gateway that nobody hears of any more: each push to it fails until it is known to be gone.
      const failing = await opened()
      await query("insert into realtime_gateways (id, address) values ('gone', '127.0.0.1:1')")
      await query("insert into realtime_members (session_id, gateway_id) values ($1::uuid, 'gone')", failing.id)
      await each("fail", failing.session, 1)
      await until("every message to have failed once", () =>
        new Set(
          programs[1]!.output().split("\n").filter((line) => line.includes("a push is tried again"))
            .flatMap((line) => /"trace_id":"(\w+)"/.exec(line)?.[1] ?? [])
        ).size >= speakers)
      await query("delete from realtime_gateways where id = 'gone'")

      // Whoever speaks waits for the session's lock.
      const slow = await opened()
      const lock = await running.database.hold(`select from realtime_sessions where id = '${slow.id}' for update`)
      const spoken = each("slow", slow.session, 1)
      await until("them to have waited for long enough", async () => {
        const [row] = await query(
          `select count(*)::int as waiting from pg_stat_activity where wait_event_type = 'Lock'
            and datname = current_database() and query_start < clock_timestamp() - interval '1500 milliseconds'`
        )
        return row!["waiting"] > 0
      })
      await lock.release()
      await spoken

      const isSampled = (id: string) => Baseline.isWithin(Baseline.baselineOf(ratio), id, null)
      const worth = [...sent.fail, ...sent.slow, ...sent.debug, ...sent.normal.filter(isSampled)]
      const lacks = new Map<string, ReadonlyArray<string>>()
      await until("all of them whole in Jaeger", async () => {
        for (const id of worth) if (lacks.get(id)?.length !== 0) lacks.set(id, lackOf(await traceOf(id)))
        const wrong = [...lacks].filter(([, lack]) => lack.length > 0)
        if (wrong.length > 0) throw new Error(JSON.stringify(wrong.slice(0, 5)))
        return true
      })

      // A change that somebody has open: its trace has the API's half, too.
      const call = callerOf(await listening(api))
      const tag = await createdTag(call)
      clients[0]!.send({ type: "join", session: `tag/${tag["id"]}` })
      await clients[0]!.frame("joined", ({ session, type }) => type === "joined" && session === `tag/${tag["id"]}`)
      const changed = await call("PATCH", `/api/v1/tags/${tag["id"]}`, {
        json: { color: "#FFFFFF" },
        headers: { "x-wordloom-debug": "1" }
      })
      const services = await until("the change in four services", async () => {
        const trace = await traceOf(String(changed.headers["traceparent"]).slice(3, 35))
        const found = new Set(Object.values(trace?.processes ?? {}).map(({ serviceName }) => serviceName))
        return found.size >= 4 ? found : undefined
      })
      assert.sameMembers([...services], ["wordloom-api", "wordloom-logic", "wordloom-task", "wordloom-gateway"])

      // Stopped, nobody has anything left to tell.
      await Promise.all([program, ...programs, api].map((each) => each.stop()))
      for (const id of sent.normal.filter((each) => !isSampled(each))) {
        const trace = await traceOf(id)
        if (trace === undefined) continue
        assert.isAbove(slowest(trace), 1, `${id} was kept without a reason`)
        assert.deepStrictEqual(lackOf(trace), [], `${id} was slow`)
      }
      const kept = sent.normal.filter(isSampled).length
      assert.isAtLeast(kept, 70)
      assert.isAtMost(kept, 130)
      for (const kind of ["fail", "slow", "debug"] as const) assert.lengthOf(sent[kind], 20)
    } finally {
      await api.stop("SIGKILL")
      await running.stop()
      await jaeger.stop()
    }
  })
})
