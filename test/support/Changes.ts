/** Changes for tests, the way into an outbox, and the way out of it. */
import { Duration, Effect } from "effect"
import type { Change } from "../../src/domain/Change.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import type { TraceContext } from "../../src/domain/TraceContext.ts"
import type { ErrorType } from "../../src/outbox/ErrorType.ts"
import { Heartbeats } from "../../src/outbox/Heartbeats.ts"
import { type Batch, Leases, type Settlement } from "../../src/outbox/Leases.ts"
import { Outbox } from "../../src/outbox/Outbox.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { passTime } from "./Backstage.ts"

export const newId = () => EntityId.make(crypto.randomUUID())

/** The rows of entities in one lane are given out in their order; lanes take turns. */
export const idInLane = (lane: number) => EntityId.make(`${newId().slice(0, -2)}${lane.toString(16).padStart(2, "0")}`)

export const changeOf = (said: Partial<Change> = {}): Change => ({
  kind: "tag",
  id: newId(),
  version: 1,
  op: "upsert",
  libraryId: null,
  fields: [{ field: "name", from: null, to: "a name" }],
  ...said
})

export const commit = (...changes: ReadonlyArray<Change>) =>
  Effect.gen(function*() {
    const [outbox, transaction] = [yield* Outbox, yield* Transaction]
    yield* transaction.run(outbox.append(changes))
  })

/** As fan-outs and repairs do, which tell of no change. */
export const commitTo = (projection: Projection, ...changes: ReadonlyArray<Change>) =>
  Effect.gen(function*() {
    const [outbox, transaction] = [yield* Outbox, yield* Transaction]
    yield* transaction.run(outbox.append(changes, [projection]))
  })

/** Commits that many changes, the oldest first, and answers them; all of them in one lane if it is said. */
export const commitMany = Effect.fnUntraced(function*(count: number, lane?: number) {
  const changes = Array.from({ length: count }, () => changeOf(lane === undefined ? {} : { id: idInLane(lane) }))
  yield* commit(...changes)
  return changes
})

/** As if every enqueue span had this context. */
export const tracedAs = (context: TraceContext) =>
  Effect.provideService(TraceCarrier, { inject: () => context, extract: () => undefined })

export const requestedAs = (requestId: string | null, actor = "anonymous") =>
  Effect.provideService(CurrentRequest, { requestId, actor })

export const leaseFor = Duration.seconds(30)

export const claim = (
  options: { readonly limit?: number; readonly worker?: string; readonly projection?: Projection } = {}
) =>
  Leases.use((leases) =>
    leases.claim(options.projection ?? "search", {
      worker: options.worker ?? "w1",
      limit: options.limit ?? 100,
      leaseFor
    })
  )

export const settle = (batch: Batch, ...settlements: ReadonlyArray<Settlement>) =>
  Leases.use((leases) => Effect.map(leases.settle(batch, settlements), (held) => [...held].toSorted((a, b) => a - b)))

export const claimAlone = (options: { readonly worker?: string; readonly projection?: Projection } = {}) =>
  Leases.use((leases) =>
    leases.claimAlone(options.projection ?? "search", { worker: options.worker ?? "w1", leaseFor })
  )

export const extend = (batch: Batch) => Heartbeats.use((heartbeats) => heartbeats.extend(batch, leaseFor))

export const reclaim = (options: { readonly attemptsMax?: number; readonly projection?: Projection } = {}) =>
  Leases.use((leases) => leases.reclaim(options.projection ?? "search", { attemptsMax: options.attemptsMax ?? 10 }))

/** Commits one change and claims it. */
export const oneClaimed = Effect.map(
  Effect.andThen(Effect.suspend(() => commit(changeOf())), claim()),
  (batch) => ({ batch, id: idsOf(batch)[0]! })
)

/** Its lease ended, another worker has it now. */
export const takenOver = Effect.gen(function*() {
  const { batch: old, id } = yield* oneClaimed
  yield* passTime("31 seconds")
  yield* reclaim()
  return { old, id, now: yield* claim({ worker: "w2" }) }
})

/** As `search_outbox_events` shows it. */
export const eventOf = (id: number) =>
  OutboxReport.use((report) =>
    Effect.map(
      report.events({ projection: "search" }, 1_000, undefined),
      ({ items }) => items.find((event) => event.id === id)!
    )
  )

export const idsOf = (batch: Batch) => batch.deliveries.map(({ id }) => id)

export const done = (id: number): Settlement => ({ _tag: "Done", id, outcome: "acked" })
export const superseded = (id: number): Settlement => ({ _tag: "Done", id, outcome: "superseded" })
/** Also with words that only another version has. */
export const dead = (id: number, errorType = "es_mapping"): Settlement => ({
  _tag: "Dead",
  id,
  errorType: errorType as ErrorType,
  detail: "no"
})
export const release = (id: number, delayMs = 0): Settlement => ({ _tag: "Release", id, delayMs, why: null })
export const retry = (id: number, delayMs = 0): Settlement => ({
  _tag: "Retry",
  id,
  delayMs,
  errorType: "es_429",
  detail: "busy"
})
