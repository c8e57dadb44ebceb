/** What doctor reads where traces are kept; each look takes bounded time, and whatever fails is said, not thrown. */
import { Effect, Option } from "effect"
import type { Trace, TraceSpan } from "../trace/Trace.ts"
import type { TraceStore, TraceStoreUnavailable, Wanted } from "../trace/TraceStore.ts"
import { batches } from "./Batches.ts"
import type { Requests } from "./Counters.ts"
import { ownService } from "./Probe.ts"
import { type Kept, keptMax, type Listed } from "./SystemFacts.ts"

type Store = TraceStore["Service"]

const answerWithin = "5 seconds"
/** What was exported is found within a second or two; a trace that is kept for a reason comes later. */
const foundTries = 20
const foundEvery = "400 millis"

const hourMs = 60 * 60 * 1_000
const dayMs = 24 * hourMs
/** As many as Jaeger's own page lists. */
const listMax = 20
const servicesMax = 20
const readers = 4
/** Until all processes have exported their part. */
const settledMs = 5_000

const asked = <A>(look: Effect.Effect<A, TraceStoreUnavailable>): Effect.Effect<A | string> =>
  look.pipe(
    Effect.catch(({ reason }) => Effect.succeed(reason)),
    Effect.timeoutOption(answerWithin),
    Effect.map(Option.getOrElse(() => `no answer in ${answerWithin}`))
  )

/** Asked for until it is there. */
export const arrived = Effect.fnUntraced(function*(store: Store, traceId: string) {
  for (let each = 0; each < foundTries; each++) {
    const found = yield* asked(store.get(traceId))
    if (typeof found === "string") return found
    if (found !== undefined) return true
    yield* Effect.sleep(foundEvery)
  }
  return false
})

const idsOf = (store: Store, wanted: Wanted) =>
  Effect.map(
    asked(store.find(wanted)),
    (found) => typeof found === "string" ? found : found.map(({ trace }) => trace.id)
  )

const listed = Effect.fnUntraced(function*(store: Store, now: number): Effect.fn.Return<Listed | string> {
  const wanted = { service: batches.service, from: now - dayMs, to: now, limit: listMax }
  const byService = yield* idsOf(store, wanted)
  const byOperation = yield* idsOf(store, { ...wanted, operation: batches.operation })
  return typeof byService === "string" ? byService : typeof byOperation === "string" ? byOperation : {
    byService,
    byOperation
  }
})

const endOf = ({ spans }: Trace) => spans.reduce((last, { end }) => end > last ? end : last, 0n)

/** The newest of every service; what has only just ended may still be on its way. */
const recent = Effect.fnUntraced(function*(
  store: Store,
  now: number,
  newest: Trace | null
): Effect.fn.Return<ReadonlyArray<Trace> | string> {
  const services = yield* asked(store.services)
  if (typeof services === "string") return services
  const looked = services.filter((service) => service !== ownService).slice(0, servicesMax)
  const found = yield* Effect.forEach(
    looked,
    (service) => asked(store.find({ service, from: now - hourMs, to: now, limit: listMax })),
    { concurrency: readers }
  )
  const why = found.find((each) => typeof each === "string")
  if (why !== undefined) return why
  const traces = found.flatMap((each) => typeof each === "string" ? [] : each.map(({ trace }) => trace))
  const settled = BigInt(now - settledMs) * 1_000_000n
  const byId = new Map([...(newest === null ? [] : [newest]), ...traces].map((trace) => [trace.id, trace]))
  return [...byId.values()].filter((trace) => endOf(trace) < settled)
})

interface Counted {
  readonly service: string
  readonly slowMs: number
  readonly requests: Requests
}

const isOf = (service: string, is: (span: TraceSpan) => boolean) => ({ trace }: { readonly trace: Trace }) =>
  trace.spans.some((span) => span.service === service && span.kind === "server" && is(span))

/** A failed request's span says which status it had. */
const countKept = Effect.fnUntraced(function*(store: Store, to: number, { requests, service, slowMs }: Counted) {
  const wanted = { service, from: requests.since, to, limit: keptMax }
  const slow = BigInt(Math.round(slowMs * 1e6))
  const statuses = [...requests.failedBy].filter(([, count]) => count > 0)
  const failed = yield* Effect.forEach(
    statuses,
    ([text]) => asked(store.find({ ...wanted, carries: { key: "error.type", text } })),
    { concurrency: readers }
  )
  const late = requests.slow === 0 ? [] : yield* asked(store.find({ ...wanted, longerThanMs: slowMs }))
  if (typeof late === "string" || failed.some((found) => typeof found === "string")) return null
  const traces = failed.flatMap((found) => typeof found === "string" ? [] : found)
  return {
    failed: traces.filter(isOf(service, (span) => span.failed)).length,
    slow: late.filter(isOf(service, ({ end, start }) => end - start > slow)).length
  } satisfies Kept
})

const isWhole = ({ failed, slow }: Kept, { requests }: Counted) =>
  failed >= Math.min(requests.failed, keptMax) && slow >= Math.min(requests.slow, keptMax)

/** Asked for until all are there that were counted. */
const keptOf = Effect.fnUntraced(function*(store: Store, now: number, counted: Counted) {
  let found: Kept | null = null
  for (let each = 0; each < foundTries; each++) {
    found = yield* countKept(store, now, counted)
    if (found === null || isWhole(found, counted)) return found
    yield* Effect.sleep(foundEvery)
  }
  return found
})

export const look = Effect.fnUntraced(function*(store: Store, wanted: {
  readonly now: number
  /** The newest finished row's trace. */
  readonly newest: string | null
  readonly requests: Requests | null
  readonly service: string
  readonly slowMs: number
}) {
  const { now, requests, service, slowMs } = wanted
  const newest = wanted.newest === null ? undefined : yield* asked(store.get(wanted.newest))
  const trace = newest === undefined || typeof newest === "string" ? null : newest.trace
  return {
    trace,
    listed: yield* listed(store, now),
    recent: yield* recent(store, now, trace),
    kept: requests === null ? null : yield* keptOf(store, now, { requests, service, slowMs })
  }
})
