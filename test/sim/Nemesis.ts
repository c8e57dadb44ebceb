/** Plans, from the seed, what goes wrong when and for whom; and mends it all at the end. */
import { type Context, Effect, HashMap } from "effect"
import { Store } from "../../layers/memory/StoreMemory.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import { type Projection, subscribed } from "../../src/outbox/Projection.ts"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import type { Chance } from "./Chance.ts"
import { type Call, calls, type Trap } from "./Faults.ts"
import type { Fleet } from "./Fleet.ts"
import type { Process } from "./Kernel.ts"
import { type FaultKind, type Weather, weathers } from "./Options.ts"
import type { Stores } from "./Stores.ts"
import { brokenBy, contextOf, launch, type World } from "./World.ts"

/** Those whose loss or delay does most. */
const harmless: ReadonlySet<Call> = new Set(["tell", "hasAlone", "load", "fanOutLook"])
const trapped = calls.filter((call) => !harmless.has(call))

const isWeather = (kind: FaultKind): kind is Weather => (weathers as ReadonlyArray<string>).includes(kind)

export class Nemesis {
  private readonly world: World
  private readonly stores: Context.Context<Stores>
  private readonly fleet: Fleet
  private readonly chance: Chance
  /** Strikes that are still to come, and weathers that are not over. */
  private pending = 0

  constructor(world: World, stores: Context.Context<Stores>, fleet: Fleet) {
    this.world = world
    this.stores = stores
    this.fleet = fleet
    this.chance = world.chance("nemesis")
  }

  get isOver(): boolean {
    return this.pending === 0
  }

  begin(): void {
    const { options: { faultCount, faults, profile, spanMs }, server } = this.world
    for (let index = 0; index < faultCount; index++) {
      const kind = this.chance.one(faults)
      server.after(this.chance.between(0, (profile === "outage" ? 0.3 : 0.95) * spanMs), () => {
        this.pending--
        if (this.world.faults.mayHarm) this.strike(kind)
      })
    }
    this.pending = faultCount
  }

  private say(what: string): void {
    this.world.log.say("nemesis", what)
  }

  private victim(): Process | undefined {
    const { running } = this.fleet
    return running.length === 0 ? undefined : this.chance.one(running)
  }

  private standstill(): number {
    return this.world.options.leaseMs * this.chance.between(0.5, 4)
  }

  private strike(kind: FaultKind): void {
    if (isWeather(kind)) return this.weather(kind)
    const victim = this.victim()
    switch (kind) {
      case "kill":
        return victim && this.fleet.kill(victim)
      case "stop":
        return victim && this.fleet.stop(victim, this.standstill())
      case "terminate":
        return victim && this.fleet.terminate(victim)
      case "kill-at":
        return this.trap("is killed", (process) => this.fleet.kill(process))
      case "stop-at": {
        const ms = this.standstill()
        return this.trap("is stopped", (process) => this.fleet.stop(process, ms))
      }
      case "pause-projection":
        return this.pause()
      case "replay-done":
        return this.replay(this.chance.one(subscribed), "done")
      case "replay-dead":
        return this.replay(this.chance.one(subscribed), "dead")
    }
  }

  private weather(kind: Weather): void {
    const { faults, options: { leaseMs, profile, spanMs }, server } = this.world
    const isOutage = profile === "outage"
    const target = !isOutage && this.chance.of(0.5) ? this.victim()?.name : undefined
    const share = isOutage ? 1 : this.chance.one([0.2, 0.5, 1])
    const ms = isOutage ? spanMs : this.chance.between(500, Math.min(spanMs / 2, 3 * leaseMs + 5_000))
    this.say(`${kind} for ${target ?? "all"}, ${share * 100} %, ${ms.toFixed(0)} ms`)
    const end = faults.begin({ kind, target, share })
    server.after(ms, () => {
      end()
      this.say(`${kind} is over`)
    })
  }

  private trap(words: string, spring: Trap["spring"]): void {
    const call = this.chance.one(trapped)
    const stage = this.chance.one(["sent", "applied"] as const)
    this.say(`whoever has ${call} ${stage} next ${words}`)
    this.world.faults.set({ call, stage, spring })
  }

  private ask(what: string, effect: Effect.Effect<void, unknown, Stores>): void {
    const { server } = this.world
    launch(server, contextOf(this.world, server), Effect.provideContext(effect, this.stores), (exit) => {
      if (exit._tag === "Failure") brokenBy(this.world, what, exit.cause)
    })
  }

  private resume(projection: Projection): void {
    const { ledger } = this.world
    if (!ledger.paused.has(projection)) return
    this.say(`resumes ${projection}`)
    this.ask(
      "resuming",
      Effect.tap(
        ProjectionControl.use(({ resume }) => resume(projection)),
        () => Effect.sync(() => ledger.paused.delete(projection))
      )
    )
  }

  private pause(): void {
    const { ledger, server } = this.world
    const projection = this.chance.one(subscribed)
    this.say(`pauses ${projection}`)
    this.ask(
      "pausing",
      Effect.tap(
        ProjectionControl.use(({ pause }) => pause(projection, null)),
        () => Effect.sync(() => ledger.paused.add(projection))
      )
    )
    server.after(this.chance.between(1_000, 15_000), () => this.resume(projection))
  }

  replay(projection: Projection, status: "done" | "dead"): void {
    this.ask(
      "replaying",
      Effect.gen({ self: this }, function*() {
        const [store, { replay }] = [yield* Store, yield* OutboxReport]
        const ended = Effect.map(
          store.read,
          ({ rows }) => HashMap.toValues(rows).flatMap(({ id, state }) => state._tag === "Finished" ? [id] : [])
        )
        const [before, after] = yield* store.run(Effect.all([
          ended,
          Effect.andThen(replay({ projection, status }), ended)
        ]))
        this.world.ledger.replayed(projection, status, before.filter((id) => !after.includes(id)))
        this.fleet.hint()
      })
    )
  }

  /** No further fault; who stands still goes on. What is lost or hangs already remains so. */
  heal(): void {
    this.say("heals everything")
    this.world.faults.heal()
    this.fleet.goOnAll()
    for (const projection of subscribed) this.resume(projection)
  }
}
