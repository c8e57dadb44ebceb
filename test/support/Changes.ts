/** Changes for tests, the way into an outbox, and the way out of it. */
import { Duration, Effect } from "effect"
import type { Change } from "../../src/domain/Change.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import type { TraceContext } from "../../src/domain/TraceContext.ts"
import { type Batch, Leases, type Settlement } from "../../src/outbox/Leases.ts"
import { Outbox } from "../../src/outbox/Outbox.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"

export const newId = () => EntityId.make(crypto.randomUUID())

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

/** Commits that many changes, the oldest first, and answers them. */
export const commitMany = Effect.fnUntraced(function*(count: number) {
  const changes = Array.from({ length: count }, () => changeOf())
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

export const extend = (batch: Batch) => Leases.use((leases) => leases.extend(batch, leaseFor))

export const reclaim = (options: { readonly limit?: number; readonly attemptsMax?: number } = {}) =>
  Leases.use((leases) =>
    leases.reclaim("search", { limit: options.limit ?? 100, attemptsMax: options.attemptsMax ?? 10 })
  )

export const idsOf = (batch: Batch) => batch.deliveries.map(({ id }) => id)

export const done = (id: number): Settlement => ({ _tag: "Done", id, outcome: "acked" })
export const superseded = (id: number): Settlement => ({ _tag: "Done", id, outcome: "superseded" })
export const dead = (id: number, errorType = "es_mapping"): Settlement => ({
  _tag: "Dead",
  id,
  errorType,
  detail: "no"
})
export const release = (id: number): Settlement => ({ _tag: "Release", id })
export const retry = (id: number, delayMs = 0): Settlement => ({
  _tag: "Retry",
  id,
  delayMs,
  errorType: "es_429",
  detail: "busy"
})
