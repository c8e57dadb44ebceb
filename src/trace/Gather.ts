/** Fetches whole stories: from worker's traces to the requests that they served, and from requests to their batches. */
import { Clock, Effect } from "effect"
import { isWorkers, linkedTraces, type Story } from "./Story.ts"
import { type Stored, TraceStore, type TraceStoreUnavailable, type Wanted } from "./TraceStore.ts"
import { type Check, hasPassed, verify } from "./Verify.ts"

export interface Asked {
  readonly traceId: string | undefined
  readonly wanted: Wanted
  readonly services: ReadonlyArray<string>
}

export interface Gathered {
  readonly story: Story
  readonly request: unknown
  readonly workers: ReadonlyArray<unknown>
}

export interface Verified extends Gathered {
  readonly checks: ReadonlyArray<Check>
}

const beganAt = ({ trace }: Stored) =>
  trace.spans.reduce((least, { start }) => start < least ? start : least, 2n ** 63n)

/** Of a trace with a thousand attempts the newest batches are looked at. */
const batchesMax = 200
const readers = 4

export const gather = Effect.fnUntraced(function*({ services, traceId, wanted }: Asked) {
  const { find, get } = yield* TraceStore
  const known = new Map<string, Stored | undefined>()
  const look = (id: string) =>
    known.has(id)
      ? Effect.succeed(known.get(id))
      : Effect.tap(get(id), (found) => Effect.sync(() => void known.set(id, found)))
  const lookAll = (ids: ReadonlyArray<string>) => Effect.forEach(ids, look, { concurrency: readers })

  const seeds = traceId === undefined
    ? yield* find(wanted)
    : (yield* lookAll([traceId])).filter((found) => found !== undefined)
  for (const seed of seeds) known.set(seed.trace.id, seed)
  const batches = seeds.filter(({ trace }) => isWorkers(trace))
  const asked = seeds.filter(({ trace }) => !isWorkers(trace)).map(({ trace }) => trace.id)
  const served = batches.flatMap(({ trace }) => linkedTraces(trace))
  const ids = [...new Set([...asked, ...served])].slice(0, wanted.limit)
  const requests = yield* lookAll(ids)
  const storyOf = Effect.fnUntraced(function*(id: string, request: Stored | undefined) {
    const linked = request === undefined
      ? batches.filter(({ trace }) => linkedTraces(trace).includes(id)).map(({ trace }) => trace.id)
      : linkedTraces(request.trace)
    const looked = linked.slice(-batchesMax)
    const found = yield* lookAll(looked)
    const workers = found.filter((worker) => worker !== undefined)
    const missing = looked.filter((_, at) => found[at] === undefined)
    const absent = request === undefined ? [id, ...missing] : missing
    const story: Story = { request: request?.trace, workers: workers.map(({ trace }) => trace), absent, services }
    return { story, request: request?.document, workers: workers.map(({ document }) => document) } satisfies Gathered
  })
  const stories = yield* Effect.forEach(ids, (id, at) => storyOf(id, requests[at]))
  const alone = batches.filter(({ trace }) => linkedTraces(trace).length === 0).slice(0, wanted.limit)
  const own = alone.map(({ document, trace }): Gathered => ({
    story: { request: undefined, workers: [trace], absent: [], services },
    request: undefined,
    workers: [document]
  }))
  const newest = (gathered: Gathered) =>
    [gathered.story.request, ...gathered.story.workers].reduce(
      (last, trace) => {
        const at = trace === undefined ? 0n : beganAt({ trace, document: undefined })
        return at > last ? at : last
      },
      0n
    )
  return [...stories, ...own].toSorted((a, b) => newest(a) > newest(b) ? -1 : 1)
})

/** How often a trace that is not whole yet is looked for again. */
const pause = "250 millis"

/** Until all passes, or for as long as `waitMs`: a worker exports its half some seconds after the request's. */
export const verifyPatiently = Effect.fnUntraced(function*(
  asked: Asked,
  waitMs: number
): Effect.fn.Return<ReadonlyArray<Verified>, TraceStoreUnavailable, TraceStore> {
  const giveUpAt = (yield* Clock.currentTimeMillis) + waitMs
  for (;;) {
    const to = Math.max(asked.wanted.to, yield* Clock.currentTimeMillis)
    const found = yield* gather({ ...asked, wanted: { ...asked.wanted, to } })
    const verified = found.map((gathered): Verified => ({ ...gathered, checks: verify(gathered.story) }))
    const isWhole = verified.length > 0 && verified.every(({ checks }) => hasPassed(checks))
    if (isWhole || (yield* Clock.currentTimeMillis) >= giveUpAt) return verified
    yield* Effect.sleep(pause)
  }
})
