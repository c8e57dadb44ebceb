/** The workers of a simulation: the product's own, each in a process that can be killed, stopped and told to end. */
import { type Context, Duration, Effect, Exit, Layer, Scope, type Tracer } from "effect"
import * as SearchBuildsMemory from "../../layers/memory/SearchBuildsMemory.ts"
import * as ChronicleDestination from "../../src/chronicle/ChronicleDestination.ts"
import { Dispatcher } from "../../src/delivery/Dispatcher.ts"
import * as FanOut from "../../src/delivery/FanOut.ts"
import { Valve } from "../../src/delivery/Valve.ts"
import * as Worker from "../../src/delivery/Worker.ts"
import { WorkerIdentity } from "../../src/delivery/WorkerIdentity.ts"
import { WakeUps } from "../../src/outbox/WakeUps.ts"
import * as SearchDestination from "../../src/search/SearchDestination.ts"
import type { Chance } from "./Chance.ts"
import { isDisturbed } from "./Disturbed.ts"
import type { Engine } from "./Engine.ts"
import type { Process } from "./Kernel.ts"
import * as Ports from "./Ports.ts"
import { isHeld } from "./Rows.ts"
import type { Stores } from "./Stores.ts"
import { makeWire, type Wire } from "./Wire.ts"
import { brokenBy, contextOf, launch, type World } from "./World.ts"

/** The hints that reach one process. */
class Hints {
  count = 0
  private waiting: ReadonlyArray<() => void> = []

  give(): void {
    this.count++
    const { waiting } = this
    this.waiting = []
    for (const resume of waiting) resume()
  }

  readonly service: typeof WakeUps["Service"] = {
    count: Effect.sync(() => this.count),
    beyond: (known) =>
      Effect.callback((resume) => {
        if (this.count > known) return resume(Effect.void)
        this.waiting = [...this.waiting, () => resume(Effect.void)]
      })
  }
}

interface Running {
  readonly process: Process
  readonly context: Context.Context<never>
  readonly scope: Scope.Closeable
  readonly hints: Hints
  readonly openSpans: ReadonlySet<Tracer.Span>
  isEnding: boolean
}

/** How long whoever runs the workers waits beyond their own drain before it kills them. */
const graceMs = 5_000

export class Fleet {
  /** By slot; `undefined` while nothing runs there. */
  private readonly slots: Array<Running | undefined>
  private readonly world: World
  private readonly stores: Context.Context<Stores>
  private readonly engine: Engine
  private readonly wire: Wire
  private readonly chance: Chance
  private started = 0
  /** Whatever ends is started again, but not while the simulation itself ends. */
  isClosing = false

  constructor(world: World, stores: Context.Context<Stores>, engine: Engine) {
    this.world = world
    this.stores = stores
    this.engine = engine
    this.wire = makeWire(world)
    this.chance = world.chance("fleet")
    this.slots = Array.from({ length: world.options.workers })
    world.ledger.isAlive = (worker) => this.slots.some((slot) => slot?.process.name === worker)
  }

  get running(): ReadonlyArray<Process> {
    return this.slots.flatMap((slot) => slot === undefined || slot.isEnding ? [] : [slot.process])
  }

  get isEmpty(): boolean {
    return this.slots.every((slot) => slot === undefined)
  }

  private worker(process: Process) {
    const { attemptsMax, backoff, batchSize, concurrency, drainMs, fanOut, leaseMs, pollMs } = this.world.options
    const pollInterval = Duration.millis(pollMs)
    const leaseFor = Duration.millis(leaseMs)
    const search = SearchDestination.layer.pipe(Layer.provide(SearchBuildsMemory.layer))
    const drain = (projection: "search" | "chronicle", destination: typeof search) =>
      Worker.layer({
        projection,
        concurrency,
        leaseFor,
        pollInterval,
        attemptsMax,
        drainFor: Duration.millis(drainMs)
      }).pipe(
        Layer.provide(Dispatcher.layer({ attemptsMax, leaseFor, backoff })),
        Layer.provide(Valve.layer(projection, { batch: batchSize, slots: concurrency })),
        Layer.provide(destination)
      )
    return Layer.mergeAll(
      drain("search", search),
      drain("chronicle", ChronicleDestination.layer as unknown as typeof search),
      FanOut.layer({ ...fanOut, pollInterval })
    ).pipe(
      Layer.provide(Layer.succeed(WorkerIdentity, { id: process.name })),
      Layer.provide(this.engine.layer(process)),
      Layer.provide(Ports.layer(this.world, this.wire, process, this.stores, () => this.hint()))
    )
  }

  private start(slot: number): void {
    const { kernel, options: { skewMs }, server } = this.world
    if (this.isClosing || this.slots[slot] !== undefined) return
    const process = kernel.spawn(`w${slot + 1}.${++this.started}`, this.chance.of(0.5) ? skewMs : 0)
    const hints = new Hints()
    const openSpans = new Set<Tracer.Span>()
    const context = contextOf(this.world, process, openSpans)
    const scope = Scope.makeUnsafe()
    this.slots[slot] = { process, context, scope, hints, openSpans, isEnding: false }
    this.world.log.say(process.name, "starts")
    const building = Layer.buildWithScope(this.worker(process), scope)
    server.after(
      this.chance.between(0, 20),
      () =>
        launch(process, context, Effect.provideService(building, WakeUps, hints.service), (exit) => {
          if (Exit.isFailure(exit)) brokenBy(this.world, "a worker could not start", exit.cause)
        })
    )
  }

  startAll(): void {
    for (const slot of this.slots.keys()) this.start(slot)
  }

  private restart(slot: number): void {
    this.slots[slot] = undefined
    this.world.server.after(this.chance.between(100, 5_000), () => this.start(slot))
  }

  private holds(process: Process): boolean {
    const { kernel, ledger } = this.world
    return [...ledger.rows.values()].some((row) => row.hold?.worker === process.name && isHeld(row, kernel.now))
  }

  readonly kill = (process: Process): void => {
    const slot = this.slots.findIndex((each) => each?.process === process)
    if (slot < 0) return
    process.kill()
    this.world.log.say(process.name, "is killed")
    this.world.log.happened("worker killed")
    if (this.holds(process)) this.world.log.happened("worker killed with rows in hand")
    this.restart(slot)
  }

  /** SIGSTOP, and SIGCONT after that long. */
  stop(process: Process, ms: number): void {
    const { log, options: { leaseMs }, server } = this.world
    if (process.state !== "running") return
    log.say(process.name, `stands still for ${ms.toFixed(0)} ms`)
    if (ms > leaseMs && this.holds(process)) log.happened("worker stopped for longer than its lease")
    process.stop()
    server.after(ms, () => this.goOn(process))
  }

  private goOn(process: Process): void {
    if (process.state !== "stopped") return
    this.world.log.say(process.name, "goes on")
    process.resume()
  }

  goOnAll(): void {
    for (const slot of this.slots) if (slot !== undefined) this.goOn(slot.process)
  }

  /** SIGTERM; SIGKILL for whoever does not end. */
  terminate(process: Process): void {
    const { log, options: { drainMs }, server } = this.world
    const slot = this.slots.findIndex((each) => each?.process === process)
    const running = this.slots[slot]
    if (running === undefined || running.isEnding) return
    running.isEnding = true
    log.say(process.name, "is told to end")
    process.post(() => this.world.ledger.ending.set(process.name, this.world.kernel.now))
    launch(process, running.context, Scope.close(running.scope, Exit.void), () => {
      if (process.state === "dead") return
      log.say(process.name, "has ended")
      log.happened("worker terminated in order")
      this.mustBeEmpty(process)
      const unended = [...running.openSpans].map(({ name }) => name)
      if (unended.length > 0) log.violated("8 telemetry", `${process.name} has ended, but not ${unended.join(", ")}`)
      process.kill()
      this.restart(slot)
    })
    server.after(drainMs + graceMs, () => this.kill(process))
  }

  /** Whoever had the time to end in order gave back what it held; a claim may be on its way for some of that time. */
  private mustBeEmpty(process: Process): void {
    const { log, options: { drainMs, faults } } = this.world
    const hadTime = drainMs >= 5_000 && !isDisturbed(faults)
    if (hadTime && this.holds(process)) log.violated("stop", `${process.name} has ended with rows in hand`)
  }

  /** Tells of a commit, to whom it reaches. */
  hint(): void {
    const { options: { hintShare, latencyMs }, server } = this.world
    for (const slot of this.slots) {
      if (slot === undefined || !this.chance.of(hintShare)) continue
      const { hints, process } = slot
      server.after(this.chance.between(0, 2 * latencyMs), () => process.post(() => hints.give()))
    }
  }
}
