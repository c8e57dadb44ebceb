/** The outboxes at a glance, counted from the store's rows; whoever holds some of them is a worker. */
import { DateTime, Effect, Layer } from "effect"
import type { DatabaseMicros } from "../../src/outbox/Leases.ts"
import { OutboxOverview, type WorkerSeen, workersMax } from "../../src/outbox/OutboxOverview.ts"
import type { Lane } from "./Lanes.ts"
import { glances } from "./OutboxReportMemory.ts"
import { databaseNow, Store } from "./StoreMemory.ts"

const timeOf = (at: DatabaseMicros) => DateTime.makeUnsafe(at / 1_000)

const workersOf = (lanes: ReadonlyArray<Lane>): ReadonlyArray<WorkerSeen> => {
  const held = lanes.flatMap(({ claim, projection }) => claim === null ? [] : [{ ...claim, projection }])
  const byWorker = [...Map.groupBy(held, ({ worker }) => worker)].toSorted(([a], [b]) => a < b ? -1 : 1)
  return byWorker.slice(0, workersMax).map(([id, claims]) => ({
    id,
    alive: true,
    projections: [],
    started_at: null,
    leases: [...Map.groupBy(claims, ({ projection }) => projection)].map(([projection, each]) => ({
      projection,
      rows: each.reduce((sum, { ids }) => sum + ids.length, 0),
      lanes: each.length,
      claimed_at: timeOf(Math.min(...each.map(({ claimedAt }) => claimedAt))),
      lease_until: timeOf(Math.min(...each.map(({ until }) => until)))
    }))
  }))
}

export const layer = Layer.effect(
  OutboxOverview,
  Effect.map(Store, (store) =>
    OutboxOverview.of({
      look: Effect.gen(function*() {
        const [contents, now] = [yield* store.read, yield* databaseNow]
        return { at: timeOf(now), projections: glances({ contents, now }), workers: workersOf(contents.lanes) }
      })
    }))
)
