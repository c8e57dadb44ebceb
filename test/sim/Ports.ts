/** The database's ports as one worker has them: over a wire, and watched at the far end of it. */
import { Context, Effect, HashMap, Layer, Option } from "effect"
import * as OutboxMemory from "../../layers/memory/OutboxMemory.ts"
import { type Contents, Store } from "../../layers/memory/StoreMemory.ts"
import { Chronicle, type ChronicleEntry } from "../../src/chronicle/Chronicle.ts"
import { FanOuts } from "../../src/outbox/FanOuts.ts"
import { Heartbeats } from "../../src/outbox/Heartbeats.ts"
import { type Batch, type ClaimOptions, Leases } from "../../src/outbox/Leases.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import type { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import type { Process } from "./Kernel.ts"
import type { Stores } from "./Stores.ts"
import type { Wire } from "./Wire.ts"
import { contextOf, type World } from "./World.ts"

/** So many looks that can find nothing are answered at once for each that is made. */
const idleLooks = 16

/** Most calls are made by workers with nothing to do. Without this, a run would mainly consist of them. */
const sparing = () => {
  let looks = 0
  return <A, E>(isIdle: () => boolean, nothing: A, look: Effect.Effect<A, E>) =>
    Effect.suspend(() => isIdle() && ++looks % idleLooks !== 0 ? Effect.succeed(nothing) : look)
}

const leases = (world: World, wire: Wire, from: Process, real: Leases["Service"]): Leases["Service"] => {
  const { ledger, log } = world
  const unlessIdle = sparing()

  const claiming = (
    projection: Projection,
    alone: boolean,
    options: Omit<ClaimOptions, "limit">,
    claim: Effect.Effect<Batch, StoreUnavailable>
  ) =>
    Effect.andThen(
      Effect.sync(() => ledger.asked(from.name, projection)),
      unlessIdle(
        () => !ledger.isClaimable(projection),
        { projection, token: "", worker: options.worker, claimedAt: 0, deliveries: [] },
        wire(
          from,
          alone ? "claimAlone" : "claim",
          Effect.tap(claim, (batch) => Effect.sync(() => ledger.claimed(from.name, batch, options.leaseFor, alone)))
        )
      )
    )

  return {
    claim: (projection, options) => claiming(projection, false, options, real.claim(projection, options)),
    claimAlone: (projection, options) => claiming(projection, true, options, real.claimAlone(projection, options)),
    hasAlone: (projection) =>
      unlessIdle(() => !ledger.hasAlone(projection), false, wire(from, "hasAlone", real.hasAlone(projection))),
    settle: (batch, settlements, spent) =>
      wire(
        from,
        "settle",
        Effect.tap(real.settle(batch, settlements, spent), (ids) =>
          Effect.sync(() => ledger.settled(from.name, batch, settlements, ids)))
      ).pipe(Effect.tap(() =>
        Effect.sync(() => {
          for (const { id } of batch.deliveries) {
            ledger.rows.get(id)!.processTold++
          }
        })
      )),
    reclaim: (projection, options) =>
      unlessIdle(
        () => !ledger.hasExpired(projection),
        [],
        wire(
          from,
          "reclaim",
          Effect.tap(real.reclaim(projection, options), (lost) =>
            Effect.sync(() => ledger.reclaimed(from.name, projection, lost)))
        )
      ).pipe(Effect.tap((lost) =>
        Effect.sync(() => {
          for (const { id } of lost) {
            ledger.rows.get(id)!.lostTold++
          }
          if (lost.length > 0) {
            log.say(from.name, `hears of ${lost.length} lost attempts`)
          }
        })
      )),
    // It changes nothing here, and would be most of what a quiet system does.
    sweep: () => Effect.never
  }
}

const heartbeats = (world: World, wire: Wire, from: Process, real: Heartbeats["Service"]): Heartbeats["Service"] => ({
  extend: (batch, leaseFor) =>
    wire(
      from,
      "extend",
      Effect.tap(real.extend(batch, leaseFor), (ids) =>
        Effect.sync(() => world.ledger.extended(from.name, batch, ids, leaseFor)))
    )
})

const control = (
  world: World,
  wire: Wire,
  from: Process,
  real: ProjectionControl["Service"]
): ProjectionControl["Service"] => {
  const { log } = world
  const isOpen = new Set<Projection>()
  return {
    ...real,
    tell: (projection, worker, note) => {
      if (note === null) log.happened("breaker closed again")
      else log.happened(isOpen.has(projection) ? "breaker opened again" : "breaker opened")
      if (note === null) isOpen.delete(projection)
      else isOpen.add(projection)
      if (projection === "search") world.breakers.told(from, note === null)
      log.say(from.name, `says that its ${projection} breaker is ${note?.state ?? "closed"}`)
      return wire(from, "tell", real.tell(projection, worker, note))
    }
  }
}

const chronicle = (world: World, wire: Wire, from: Process, real: Chronicle["Service"]): Chronicle["Service"] => ({
  ...real,
  append: (entries: ReadonlyArray<ChronicleEntry>) => {
    const { ledger, log } = world
    const told = entries.map(({ entity_id, version }) => `${ledger.nameOf(entity_id)}@${version}`)
    const appended = Effect.tap(real.append(entries), (isNew) =>
      Effect.sync(() => {
        log.say(
          from.name,
          `appends ${told.map((entry, at) => `${entry}${isNew[at] === true ? "" : " again"}`).join(", ")}`
        )
        log.happened("chronicle entry known already", isNew.filter((isNew) => !isNew).length)
      }))
    return wire(from, "append", appended)
  }
})

const fanOuts = (world: World, wire: Wire, from: Process, store: Store["Service"], real: FanOuts["Service"]) => {
  const unlessIdle = sparing()
  const isNone = () => Effect.runSync(store.read).fanOuts.length === 0
  return FanOuts.of({
    ...real,
    pending: unlessIdle(isNone, 0, wire(from, "fanOutLook", real.pending)),
    backlog: (max) =>
      Effect.tap(wire(from, "fanOutLook", real.backlog(max)), (count) =>
        Effect.sync(() => {
          if (count >= max) world.log.happened("fan-out waited for room")
        })),
    take: Effect.tap(real.take, (fanOut) =>
      Effect.sync(() => {
        if (fanOut?.isSuperseded === true) world.log.happened("fan-out gave way to a later name")
        else if (fanOut !== undefined && fanOut.blocks > 0) world.log.happened("fan-out went on after its cursor")
      }))
  })
}

/**
 * A chunk as the database has it: all of its statements or none, whatever becomes of the worker meanwhile. The rows
 * that it leaves are noted there, as those of a request are.
 */
const transaction = (
  world: World,
  wire: Wire,
  from: Process,
  store: Store["Service"],
  hint: () => void
): Transaction["Service"] => {
  const { ledger, log, server } = world
  const context = contextOf(world, server)

  const look = (contents: Contents, before: number) => {
    const left = Array.from({ length: contents.lastNumber - before }, (_, at) => before + 1 + at)
      .flatMap((id) => Option.toArray(HashMap.get(contents.rows, id)))
    for (const { change: { id: entity, op, version }, id, projection, trace } of left) {
      const name = ledger.nameOf(entity)
      ledger.appended({ id, projection, entity, name, version, op, traced: trace !== null }, true)
      log.say(from.name, `leaves #${id} ${name}@${version} for a name that it shows`)
    }
    if (left.length > 0) log.happened("fan-out chunk committed")
  }

  return {
    run: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.gen(function*() {
        const own = yield* Effect.context<R>()
        const noted = store.run(Effect.gen(function*() {
          const { lastNumber } = yield* store.read
          const value = yield* effect
          look(yield* store.read, lastNumber)
          return value
        }))
        const served = Effect.provideContext(noted, Context.merge(own, context))
        return yield* wire(from, "fanOut", Effect.tap(served, () => Effect.sync(hint)))
      })
  }
}

/** Everything that a worker asks the database for. */
export const layer = (
  world: World,
  wire: Wire,
  from: Process,
  stores: Context.Context<Stores>,
  hint: () => void
) =>
  Layer.mergeAll(
    Layer.effect(
      FanOuts,
      Effect.gen(function*() {
        return fanOuts(world, wire, from, yield* Store, yield* FanOuts)
      })
    ),
    Layer.effect(Transaction, Effect.map(Store, (store) => transaction(world, wire, from, store, hint))),
    OutboxMemory.layer,
    Layer.effect(Leases, Effect.map(Leases, (real) => leases(world, wire, from, real))),
    Layer.effect(Heartbeats, Effect.map(Heartbeats, (real) => heartbeats(world, wire, from, real))),
    Layer.effect(ProjectionControl, Effect.map(ProjectionControl, (real) => control(world, wire, from, real))),
    Layer.effect(Chronicle, Effect.map(Chronicle, (real) => chronicle(world, wire, from, real))),
    Layer.effect(
      SearchSource,
      Effect.map(
        SearchSource,
        (real) => SearchSource.of({ ...real, load: (ids) => wire(from, "load", real.load(ids)) })
      )
    )
  ).pipe(Layer.provide(Layer.succeedContext(stores)))
