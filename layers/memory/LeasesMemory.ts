/** Claims and settlements over the store's rows, by the store's clock. */
import { Duration, Effect, HashMap, Layer } from "effect"
import { type Batch, Leases } from "../../src/outbox/Leases.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { isDue, isHeld, isLost, leased, lost, type Row, settled, toDelivery } from "./OutboxRow.ts"
import { type Contents, databaseNow, Store } from "./StoreMemory.ts"

/** Rows whose back-off has ended come before new ones, as they are older. */
const byAge = (a: Row, b: Row) =>
  a.state._tag === b.state._tag
    ? (a.state._tag === "Waiting" ? a.readyAt - b.readyAt : 0) || a.id - b.id
    : a.state._tag === "Waiting"
    ? -1
    : 1

const found = (contents: Contents, projection: Projection) =>
  HashMap.toValues(contents.rows).filter((row) => row.projection === projection)

const put = (contents: Contents, rows: ReadonlyArray<Row>): Contents => ({
  ...contents,
  rows: HashMap.setMany(contents.rows, rows.map((row) => [row.id, row] as const))
})

const heldRows = (contents: Contents, batch: Batch, ids: ReadonlyArray<number>, now: number) =>
  found(contents, batch.projection).filter((row) => ids.includes(row.id)).filter((row) => isHeld(row, batch, now))

const make = Effect.gen(function*() {
  const store = yield* Store

  return Leases.of({
    claim: (projection, { leaseFor, limit, worker }) =>
      store.run(Effect.gen(function*() {
        const contents = yield* store.read
        const claimedAt = yield* databaseNow
        const lastNumber = contents.lastNumber + 1
        const token = String(lastNumber)
        const until = claimedAt + Duration.toMillis(leaseFor) * 1_000
        const rows = found(contents, projection)
          .filter((row) => isDue(row, claimedAt))
          .toSorted(byAge)
          .slice(0, limit)
          .map((row) => leased(row, { token, worker, claimedAt, until }))
        yield* store.write({ ...put(contents, rows), lastNumber })
        const deliveries = rows.map(toDelivery).toSorted((a, b) => a.id - b.id)
        return { projection, token, worker, claimedAt, deliveries }
      })),

    extend: (batch, leaseFor) =>
      store.run(Effect.gen(function*() {
        const contents = yield* store.read
        const now = yield* databaseNow
        const until = now + Duration.toMillis(leaseFor) * 1_000
        const held = heldRows(contents, batch, batch.deliveries.map(({ id }) => id), now)
        yield* store.write(put(contents, held.map((row) => ({ ...row, state: { ...row.state, until } }))))
        return new Set(held.map(({ id }) => id))
      })),

    settle: (batch, settlements) =>
      store.run(Effect.gen(function*() {
        const contents = yield* store.read
        const now = yield* databaseNow
        const wanted = new Map(settlements.map((settlement) => [settlement.id, settlement]))
        const held = heldRows(contents, batch, [...wanted.keys()], now)
        const after = held.map((row) => settled(row, wanted.get(row.id)!, now))
        const attempts = [...contents.attempts, ...after.flatMap((each) => each.attempts)]
        yield* store.write({ ...put(contents, after.map(({ row }) => row)), attempts })
        return new Set(held.map(({ id }) => id))
      })),

    reclaim: (projection, { attemptsMax, limit }) =>
      store.run(Effect.gen(function*() {
        const contents = yield* store.read
        const now = yield* databaseNow
        const after = found(contents, projection)
          .filter((row) => isLost(row, now))
          .toSorted((a, b) => a.state.until - b.state.until)
          .slice(0, limit)
          .map((row) => lost(row, attemptsMax, now))
        const attempts = [...contents.attempts, ...after.map(({ attempt }) => attempt)]
        yield* store.write({ ...put(contents, after.map(({ row }) => row)), attempts })
        return after.map(({ told }) => told)
      }))
  })
})

export const layer = Layer.effect(Leases, make)
