/** The database's ports as one worker has them: over a wire, and watched at the far end of it. */
import { type Context, Effect, Layer } from "effect"
import { EntityStore } from "../../src/catalog/EntityStore.ts"
import { Chronicle, type ChronicleEntry } from "../../src/chronicle/Chronicle.ts"
import { Heartbeats } from "../../src/outbox/Heartbeats.ts"
import { type Batch, type ClaimOptions, Leases } from "../../src/outbox/Leases.ts"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import type { Process } from "./Kernel.ts"
import type { Stores } from "./Stores.ts"
import type { Wire } from "./Wire.ts"
import type { World } from "./World.ts"

type Claim = (options: ClaimOptions) => Effect.Effect<Batch>

const leases = (world: World, wire: Wire, from: Process, real: Leases["Service"]): Leases["Service"] => {
  const { ledger, log } = world

  const claiming = (alone: boolean, options: ClaimOptions, claim: Claim) =>
    wire(
      from,
      alone ? "claimAlone" : "claim",
      Effect.tap(claim(options), (batch) =>
        Effect.sync(() => ledger.claimed(from.name, batch, options.leaseFor, alone)))
    )

  return {
    claim: (projection, options) =>
      claiming(false, options, (options) => Effect.orDie(real.claim(projection, options))),
    claimAlone: (projection, options) =>
      claiming(true, { ...options, limit: 1 }, (options) => Effect.orDie(real.claimAlone(projection, options))),
    hasAlone: (projection) => wire(from, "hasAlone", real.hasAlone(projection)),
    settle: (batch, settlements) =>
      wire(
        from,
        "settle",
        Effect.tap(real.settle(batch, settlements), (ids) =>
          Effect.sync(() => ledger.settled(from.name, batch, settlements, ids)))
      ).pipe(Effect.tap(() => Effect.sync(() => {
        for (const { id } of batch.deliveries) ledger.rows.get(id)!.processTold++
      }))),
    reclaim: (projection, options) =>
      wire(
        from,
        "reclaim",
        Effect.tap(real.reclaim(projection, options), (lost) =>
          Effect.sync(() => ledger.reclaimed(from.name, projection, lost)))
      ).pipe(Effect.tap((lost) => Effect.sync(() => {
        for (const { id } of lost) ledger.rows.get(id)!.lostTold++
        if (lost.length > 0) log.say(from.name, `hears of ${lost.length} lost attempts`)
      }))),
    // It answers nothing and changes nothing here.
    sweep: real.sweep
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
): ProjectionControl["Service"] => ({
  ...real,
  tell: (projection, worker, note) => {
    const state = note?.state ?? "closed"
    const words = { open: "breaker opened", half_open: "breaker half open", closed: "breaker closed again" } as const
    world.log.happened(words[state])
    world.log.say(from.name, `says that its ${projection} breaker is ${state}`)
    return wire(from, "tell", real.tell(projection, worker, note))
  }
})

const chronicle = (world: World, wire: Wire, from: Process, real: Chronicle["Service"]): Chronicle["Service"] => ({
  ...real,
  append: (entries: ReadonlyArray<ChronicleEntry>) => {
    const { ledger, log } = world
    const told = entries.map(({ entity_id, version }) => `${ledger.nameOf(entity_id)}@${version}`)
    const appended = Effect.tap(real.append(entries), (isNew) =>
      Effect.sync(() => {
        log.say(from.name, `appends ${told.map((entry, at) => `${entry}${isNew[at] === true ? "" : " again"}`).join(", ")}`)
        log.happened("chronicle entry known already", isNew.filter((isNew) => !isNew).length)
      }))
    return wire(from, "append", appended)
  }
})

/** Everything that a worker asks the database for. */
export const layer = (world: World, wire: Wire, from: Process, stores: Context.Context<Stores>) =>
  Layer.mergeAll(
    Layer.effect(Leases, Effect.map(Leases, (real) => leases(world, wire, from, real))),
    Layer.effect(Heartbeats, Effect.map(Heartbeats, (real) => heartbeats(world, wire, from, real))),
    Layer.effect(ProjectionControl, Effect.map(ProjectionControl, (real) => control(world, wire, from, real))),
    Layer.effect(Chronicle, Effect.map(Chronicle, (real) => chronicle(world, wire, from, real))),
    Layer.effect(
      EntityStore,
      Effect.map(EntityStore, (real) =>
        EntityStore.of({ ...real, load: (kind, ids) => wire(from, "load", real.load(kind, ids)) }))
    )
  ).pipe(Layer.provide(Layer.succeedContext(stores)))
