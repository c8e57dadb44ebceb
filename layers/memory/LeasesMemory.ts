/** Claims and settlements over the store's rows, by the store's clock. */
import { Effect, HashMap, Layer } from "effect"
import { type Batch, type ClaimOptions, Leases, type Settlement, type Spent } from "../../src/outbox/Leases.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { byTurn, type Claim, type Lane, laneOf, without } from "./Lanes.ts"
import { lost, type Row, settled, toDelivery } from "./OutboxRow.ts"
import { aloneOf, dueOf, heldBack, isAloneDue, overtakes, postponed } from "./RowOrder.ts"
import { type Contents, databaseNow, micros, Store } from "./StoreMemory.ts"

/** One kind of outcome after the other; the delays of an entity's rows are compared within each. */
const kinds = ["Done", "Retry", "Dead", "Release"] as const

const backlogOf = (contents: Contents, projection: Projection) =>
  HashMap.toValues(contents.rows).filter((row) => row.projection === projection && row.state._tag !== "Finished")

const putRows = (contents: Contents, rows: ReadonlyArray<Row>): Contents => ({
  ...contents,
  rows: HashMap.setMany(contents.rows, rows.map((row) => [row.id, row] as const))
})

const putLanes = (contents: Contents, projection: Projection, change: (lane: Lane) => Lane): Contents => ({
  ...contents,
  lanes: contents.lanes.map((lane) => lane.projection === projection ? change(lane) : lane)
})

/** A paused projection has none. */
const freeLanes = ({ lanes, paused }: Contents, projection: Projection) =>
  HashMap.has(paused, projection)
    ? []
    : lanes.filter((lane) => lane.projection === projection && lane.claim === null)

/** The lanes that the claim has still: this one, and only while its lease lasts. */
const claimsOf = (contents: Contents, { projection, token }: Batch, now: number): ReadonlyArray<Claim> =>
  contents.lanes.flatMap(({ claim, ...lane }) =>
    lane.projection === projection && claim?.token === token && claim.until > now ? [claim] : []
  )

const settledAs = (
  contents: Contents,
  batch: Batch,
  settlements: ReadonlyArray<Settlement>,
  now: number,
  spent: Spent | null
) => {
  const claims = claimsOf(contents, batch, now)
  const backlog = backlogOf(contents, batch.projection)
  const after = settlements.flatMap((settlement) => {
    const claim = claims.find(({ ids }) => ids.includes(settlement.id))
    const row = backlog.find(({ id }) => id === settlement.id)
    return claim === undefined || row === undefined ? [] : [settled(row, claim, settlement, now, spent)]
  })
  const rows = after.map(({ row }) => row)
  const ids = new Set(rows.map(({ id }) => id))
  const waiting = rows.filter(({ state }) => state._tag !== "Finished")
  const others = backlog.filter(({ id }) => !ids.has(id))
  const next = putLanes(
    putRows(contents, [...rows, ...postponed(waiting, others)]),
    batch.projection,
    (lane) => lane.claim?.token === batch.token ? without(lane, ids) : lane
  )
  return { ids, next: { ...next, attempts: [...next.attempts, ...after.flatMap(({ attempts }) => attempts)] } }
}

/** The expired claim whose lease ended longest ago, from all its lanes. */
const expiredOf = (contents: Contents, projection: Projection, now: number): ReadonlyArray<Claim> => {
  const expired = contents.lanes.flatMap(({ claim, ...lane }) =>
    lane.projection === projection && claim !== null && claim.until < now ? [claim] : []
  )
  const [oldest] = expired.toSorted((a, b) => a.until - b.until)
  return expired.filter(({ token }) => token === oldest?.token)
}

const make = Effect.gen(function*() {
  const store = yield* Store

  const claiming = (projection: Projection, options: ClaimOptions, candidatesOf: typeof dueOf) =>
    store.run(Effect.gen(function*() {
      const { leaseFor, limit, worker } = options
      const contents = yield* store.read
      const claimedAt = yield* databaseNow
      const lastNumber = contents.lastNumber + 1
      const token = String(lastNumber)
      const until = claimedAt + micros(leaseFor)
      const backlog = backlogOf(contents, projection)
      const inLane = Map.groupBy(backlog, ({ change }) => laneOf(change.id))
      const turns = freeLanes(contents, projection).toSorted(byTurn)
      const seen = turns.flatMap(({ lane }) => candidatesOf(inLane.get(lane) ?? [], claimedAt)).slice(0, limit)
      const found = seen.filter((row) => !overtakes(row, backlog, seen))
      const behind = found.flatMap((row) => heldBack(row, backlog))
      const taken = found.filter(({ id }) => behind.every((row) => row.id !== id))
      const next = putLanes(putRows(contents, behind), projection, (lane) => {
        const isIn = (row: Row) => laneOf(row.change.id) === lane.lane
        const ids = taken.filter(isIn).map(({ id }) => id)
        if (!found.some(isIn)) return lane
        return { ...lane, turn: lastNumber, claim: ids.length === 0 ? null : { token, worker, claimedAt, until, ids } }
      })
      yield* store.write({ ...next, lastNumber })
      return {
        projection,
        token,
        worker,
        claimedAt,
        deliveries: taken.map(toDelivery).toSorted((a, b) => a.id - b.id)
      }
    }))

  return Leases.of({
    claim: (projection, options) => claiming(projection, options, dueOf),
    claimAlone: (projection, options) => claiming(projection, { ...options, limit: 1 }, aloneOf),
    hasAlone: (projection) =>
      Effect.gen(function*() {
        const [contents, now] = [yield* store.read, yield* databaseNow]
        const free = new Set(freeLanes(contents, projection).map(({ lane }) => lane))
        return backlogOf(contents, projection).some((row) => isAloneDue(row, now) && free.has(laneOf(row.change.id)))
      }),

    settle: (batch, settlements, spent) =>
      store.run(Effect.gen(function*() {
        const now = yield* databaseNow
        const held = new Set<number>()
        let contents = yield* store.read
        for (const kind of kinds) {
          const of = settlements.filter(({ _tag }) => _tag === kind)
          const { ids, next } = settledAs(contents, batch, of, now, spent ?? null)
          contents = next
          for (const id of ids) held.add(id)
        }
        yield* store.write(contents)
        return held
      })),

    reclaim: (projection, { attemptsMax }) =>
      store.run(Effect.gen(function*() {
        const contents = yield* store.read
        const now = yield* databaseNow
        const expired = expiredOf(contents, projection, now)
        const after = backlogOf(contents, projection).flatMap((row) => {
          const claim = expired.find(({ ids }) => ids.includes(row.id))
          return claim === undefined ? [] : [lost(row, claim, attemptsMax, now)]
        })
        const next = putLanes(
          putRows(contents, after.map(({ row }) => row)),
          projection,
          (lane) => lane.claim !== null && expired.includes(lane.claim) ? { ...lane, claim: null } : lane
        )
        yield* store.write({ ...next, attempts: [...next.attempts, ...after.map(({ attempt }) => attempt)] })
        return after.map(({ told }) => told)
      })),

    // A claim here sees every row that is committed.
    sweep: () => Effect.void
  })
})

export const layer = Layer.effect(Leases, make)
