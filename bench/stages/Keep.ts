/** Requests of which some fail in the worker up to a minute and a half later: what a real Jaeger has of them then. */
import { start as startServer } from "../../infra/servers.js"
import { startProgram, until } from "../../test/support/Programs.ts"
import type { Finding } from "../Findings.ts"
import { envOf, judge, type Kept, type Kind, kinds, type SeenSpan, sendAll } from "../KeptRun.ts"
import { shown } from "../Numbers.ts"
import type { Server } from "../Peers.ts"
import { databaseUrl, within } from "../Sessions.ts"
import type { Stage } from "../Stage.ts"

/** Jaeger's own JSON. */
interface JaegerTrace {
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>
  readonly spans: ReadonlyArray<{
    readonly traceID: string
    readonly spanID: string
    readonly operationName: string
    readonly duration: number
    readonly processID: string
    readonly references?: ReadonlyArray<{ readonly refType: string; readonly traceID: string; readonly spanID: string }>
    readonly tags: ReadonlyArray<{ readonly key: string; readonly value: string | number | boolean }>
  }>
}

const seenOf = ({ processes, spans }: JaegerTrace): ReadonlyArray<SeenSpan> =>
  spans.map((span) => ({
    traceId: span.traceID,
    spanId: span.spanID,
    parentSpanId:
      span.references?.find(({ refType, traceID }) => refType === "CHILD_OF" && traceID === span.traceID)?.spanID ?? "",
    name: span.operationName,
    service: processes[span.processID]?.serviceName ?? "",
    seconds: span.duration / 1e6,
    attributes: Object.fromEntries(span.tags.map(({ key, value }) => [key, value]))
  }))

/** What Jaeger has of a trace. That it has none of one is an answer; that it refuses to look is not. */
const traceIn = async (query: string, traceId: string): Promise<ReadonlyArray<SeenSpan>> => {
  const answer = await fetch(`${query}/api/traces/${traceId}`)
  const text = await answer.text()
  if (answer.status === 404) return []
  if (!answer.ok) throw new Error(`Jaeger was asked for ${traceId} and answered ${answer.status}: ${text}`)
  const { data } = JSON.parse(text) as { readonly data: ReadonlyArray<JaegerTrace> }
  return data.flatMap(seenOf)
}

const lookedUpAtOnce = 8

const tracesIn = async (query: string, traceIds: ReadonlyArray<string>) => {
  const found: Array<SeenSpan> = []
  for (let at = 0; at < traceIds.length; at += lookedUpAtOnce) {
    const some = traceIds.slice(at, at + lookedUpAtOnce)
    found.push(...(await Promise.all(some.map((traceId) => traceIn(query, traceId)))).flat())
  }
  return found
}

interface Wanted {
  readonly counts: Readonly<Record<Kind, number>>
  readonly lagSeconds: number
}

const undone = `select from search_outbox_events where status <> 'done'
  union all select from chronicle_outbox_events where status <> 'done' limit 1`

const measure = async (server: Server, { counts, lagSeconds }: Wanted) => {
  const name = `keep_${process.pid}`
  await within(server.url, (session) => session.query(`create database ${name}`))
  const url = databaseUrl(server.url, name)
  const jaeger = await startServer("jaeger")
  const env = {
    ...envOf(0.1, jaeger.urls.otlp),
    DATABASE_URL: url,
    WORDLOOM_HTTP_PORT: "0",
    OUTBOX_HTTP_PORT: "0",
    OUTBOX_METRICS_PORT: "0",
    WORDLOOM_TRACE_HOLD: "10m",
    WORDLOOM_TRACE_HOLD_BYTES: "67108864"
  }
  const api = startProgram("api", env)
  const base = (await api.printed(/listening on (http:\/\/[^"]+)/))[1]!
  const sent = await sendAll({ base, databaseUrl: url, ratio: 0.1, counts, overMs: lagSeconds * 1_000 })
  // The first rows have waited for all of that time, the last ones for none.
  const worker = startProgram("../bench/wordloom/program", env, ["keep"])
  const left = () => within(url, (session) => session.query(undone))
  await until("all rows to be told", async () => (await left()).rows.length === 0, 600_000)
  // Two turns of the exchange, and one of the exporter.
  await new Promise((done) => setTimeout(done, 6_000))
  await worker.stop()
  await api.stop()
  const judged = judge(sent, await tracesIn(jaeger.urls.query, sent.map(({ traceId }) => traceId)))
  await jaeger.stop()
  return judged
}

/** Of a thousand, 70 to 130 are what chance gives. */
const few = 1_000

const finding = (found: Readonly<Record<Kind, Kept>>, wrong: ReadonlyArray<string>, lagSeconds: number): Finding => {
  const { fail, normal } = found
  const share = (normal.sampled / normal.sent) * 100
  return {
    stage: "keep",
    title: `${
      shown(kinds.reduce((sum, kind) => sum + found[kind].sent, 0), 0)
    } requests at a ratio of 0.1, rows handled 0 to ${shown(lagSeconds, 0)} s later or more, in Jaeger`,
    head: ["", "sent", "kept", "sampled", "slow by the machine", "whole"],
    rows: kinds.map((kind) => {
      const { kept, sampled, sent, slowed, whole } = found[kind]
      return [kind, ...[sent, kept, sampled, slowed, whole].map((value) => shown(value, 0))]
    }),
    figures: [
      {
        name: "failing traces that are there and whole",
        values: [fail.whole / fail.sent * 100],
        unit: " %",
        atLeast: 100
      },
      {
        name: "normal ones sampled, distance from 10 %",
        values: [Math.abs(share - 10)],
        unit: " %",
        atMost: normal.sent > few ? 0.6 : 3
      },
      { name: "missing, superfluous or fragments", values: [wrong.length], atMost: 0 }
    ],
    notes: wrong.slice(0, 10),
    runs: [{ found, wrong }]
  }
}

export const keep: Stage = {
  peers: () => [],
  run: async ({ options, progress, server }) => {
    const all = options.rows ?? (options.quick ? 1_060 : 20_000)
    const lagSeconds = options.seconds ?? (options.quick ? 10 : 90)
    const failing = all > 1_060 ? Math.round(all / 100) : 20
    progress.step(0, 1, `${all} requests`)
    const counts = { normal: all - failing - 40, fail: failing, slow: 20, debug: 20 }
    const { found, wrong } = await measure(server, { counts, lagSeconds })
    return finding(found, wrong, lagSeconds)
  }
}
