/** A run of requests of which some fail in the worker, some are slow and some are asked for; what is kept of them. */
import { Redacted } from "effect"
import { createHash } from "node:crypto"
import { keyedHash } from "../layers/telemetry/KeyedHash.ts"
import { decideBy } from "../src/telemetry/TraceTrust.ts"
import { type Session, within } from "./Sessions.ts"

export const kinds = ["normal", "fail", "slow", "debug"] as const
export type Kind = typeof kinds[number]

export interface Sent {
  readonly kind: Kind
  readonly traceId: string
  /** By the ratio alone. */
  readonly isSampled: boolean
}

/** What of a span is looked at. */
export interface SeenSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  readonly service: string
  readonly seconds: number
  readonly attributes: Readonly<Record<string, string | number | boolean>>
}

/** What the settings call slow, in seconds: well below the five that a request waits for a row. */
export const slow = 2

const secret = "the secret of the benchmark"

export const envOf = (ratio: number, endpoint: string) => ({
  WORDLOOM_TRACING: "export",
  WORDLOOM_TRACE_SECRET: secret,
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: String(ratio),
  WORDLOOM_TRACE_SLOW: `${slow}s`,
  OTEL_BSP_MAX_QUEUE_SIZE: "20000"
})

/** The ids are always the same, so it is known beforehand which are sampled. */
const traceIdOf = (n: number) => createHash("sha256").update(`request ${n}`).digest("hex").slice(0, 32)

const post = async (base: string, path: string, method: string, body: unknown, headers: Record<string, string>) => {
  const answer = await fetch(base + path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body)
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path} was answered with ${answer.status}: ${text}`)
  return JSON.parse(text) as { readonly id: string }
}

/** Comes when so many wait for what `session` holds. */
const awaited = async (session: Session, wanted: number) => {
  for (let waiting = 0; waiting < wanted;) {
    const { rows } = await session.query(
      "select count(*)::int as n from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    )
    waiting = rows[0].n
  }
}

/** Holds the row of each tag until its change has waited for longer than a request may take without being slow. */
const slowly = (databaseUrl: string, ids: ReadonlyArray<string>, change: () => Promise<unknown>) =>
  within(databaseUrl, async (session) => {
    await session.query("begin")
    await session.query("select from tags where id = any($1) for update", [ids])
    const changed = change()
    await Promise.race([changed, awaited(session, ids.length)])
    // By a clock of the server: this process has six hundred other things to do.
    await session.query("select pg_sleep($1)", [slow + 0.1])
    await session.query("commit")
    await changed
  })

export interface Plan {
  readonly base: string
  readonly databaseUrl: string
  readonly ratio: number
  readonly counts: Readonly<Record<Kind, number>>
  /** Over so long; 0: as fast as it goes. */
  readonly overMs: number
}

const inParallel = 8
/** Slow ones wait together, and each holds a connection of the API. */
const slowAtOnce = 5

const shuffled = (counts: Plan["counts"]) =>
  kinds.flatMap((kind) => Array.from({ length: counts[kind] }, () => kind))
    .map((kind, n) => ({ kind, order: traceIdOf(-n - 1) }))
    .toSorted((a, b) => a.order < b.order ? -1 : 1)
    .map(({ kind }) => kind)

/** Sends them all and answers what was sent. */
export const sendAll = async ({ base, counts, databaseUrl, overMs, ratio }: Plan): Promise<ReadonlyArray<Sent>> => {
  const decide = decideBy(ratio, keyedHash(Redacted.make(secret)))
  const sent: Array<Sent> = []
  const headersOf = (kind: Kind, n: number) => {
    const traceId = traceIdOf(n)
    sent.push({ kind, traceId, isSampled: decide(traceId).sampled })
    return {
      traceparent: `00-${traceId}-00f067aa0ba902b7-00`,
      "x-request-id": `${kind}-${n}`,
      ...(kind === "debug" ? { "x-wordloom-debug": "1" } : {})
    }
  }
  const order = shuffled({ ...counts, slow: 0 })
  const startedAt = performance.now()
  let next = 0
  const one = async () => {
    for (let n = next++; n < order.length; n = next++) {
      const wait = startedAt + overMs * n / order.length - performance.now()
      if (wait > 0) await new Promise((done) => setTimeout(done, wait))
      const kind = order[n]!
      await post(base, "/api/v1/tags", "POST", { name: `${kind} ${n}`, color: "#1E90FF" }, headersOf(kind, n))
    }
  }
  const late = async () => {
    for (let done = 0; done < counts.slow; done += slowAtOnce) {
      const some = Array.from({ length: Math.min(slowAtOnce, counts.slow - done) }, (_, n) => order.length + done + n)
      // Made under traces of their own, which count for nothing.
      const tags = await Promise.all(
        some.map((n) => post(base, "/api/v1/tags", "POST", { name: `slow ${n}`, color: "#1E90FF" }, {}))
      )
      await slowly(
        databaseUrl,
        tags.map(({ id }) => id),
        () =>
          Promise.all(
            some.map((n, at) =>
              post(base, `/api/v1/tags/${tags[at]!.id}`, "PATCH", { color: "#000000" }, headersOf("slow", n))
            )
          )
      )
    }
  }
  await Promise.all([late(), ...Array.from({ length: inParallel }, one)])
  return sent
}

const attemptsOf = (spans: ReadonlyArray<SeenSpan>, projection: string) =>
  spans.filter(({ attributes, name }) => name === "outbox.process" && attributes["projection"] === projection)
    .map(({ attributes }) => Number(attributes["attempt"])).toSorted((a, b) => a - b).join()

/** What a whole trace lacks, or has too much of; nothing when it is whole. */
export const lackOf = (kind: Kind, spans: ReadonlyArray<SeenSpan>): string | undefined => {
  const count = (name: string) => spans.filter((span) => span.name === name).length
  const ids = new Set(spans.map(({ spanId }) => spanId))
  const servers = spans.filter(({ name }) => /^(POST|PATCH) /.test(name))
  const orphans = spans.filter((span) => !servers.includes(span) && !ids.has(span.parentSpanId))
  if (ids.size !== spans.length) return "a span twice"
  if (servers.length !== 1) return `${servers.length} server spans`
  if (orphans.length > 0) return `orphans: ${orphans.map(({ name }) => name).join()}`
  if (count("db.tx") !== 1 || count("outbox.enqueue") !== 2) return "a part of the API's half"
  const wanted = kind === "fail" ? "1,2" : "1"
  if (attemptsOf(spans, "search") !== wanted) return `search attempts ${attemptsOf(spans, "search")}`
  return attemptsOf(spans, "chronicle") === "1" ? undefined : `chronicle attempts ${attemptsOf(spans, "chronicle")}`
}

/** On a busy machine a request may be slow that was not meant to be; then it is kept for that. */
const isSlow = (spans: ReadonlyArray<SeenSpan>) =>
  spans.some(({ name, seconds }) => seconds > slow && (name === "outbox.process" || /^(POST|PATCH) /.test(name)))

export interface Kept {
  readonly sent: number
  readonly kept: number
  /** Without a reason of their own. */
  readonly sampled: number
  /** Slow without being meant to be, and not sampled. */
  readonly slowed: number
  readonly whole: number
}

/** By kind what was kept, and why anything is not as it should be. */
export const judge = (sent: ReadonlyArray<Sent>, spans: ReadonlyArray<SeenSpan>) => {
  const byTrace = new Map<string, Array<SeenSpan>>()
  for (const span of spans) byTrace.set(span.traceId, [...byTrace.get(span.traceId) ?? [], span])
  const wrong: Array<string> = []
  const found = Object.fromEntries(
    kinds.map((kind) => [kind, { sent: 0, kept: 0, sampled: 0, slowed: 0, whole: 0 }])
  ) as Record<
    Kind,
    { -readonly [K in keyof Kept]: Kept[K] }
  >
  for (const { isSampled, kind, traceId } of sent) {
    const of = found[kind]
    const kept = byTrace.get(traceId) ?? []
    of.sent++
    if (isSampled) of.sampled++
    if (kept.length > 0) of.kept++
    if (kind === "normal" && !isSampled && isSlow(kept)) of.slowed++
    const isWanted = isSampled || kind !== "normal" || isSlow(kept)
    if (isWanted !== kept.length > 0) wrong.push(`${kind} ${traceId}: ${isWanted ? "missing" : "kept"}`)
    if (kept.length === 0) continue
    const lack = lackOf(kind, kept)
    if (lack === undefined) of.whole++
    else wrong.push(`${kind} ${traceId}: ${lack}`)
  }
  return { found: found as Readonly<Record<Kind, Kept>>, wrong }
}
