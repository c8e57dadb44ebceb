/** One seed from its first write to its last check: the same seed is the same run, line by line. */
import { Effect, Layer, Scope } from "effect"
import { type Contents, Store } from "../../layers/memory/StoreMemory.ts"
import { subscribed } from "../../src/outbox/Projection.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { check } from "./Checker.ts"
import { Engine } from "./Engine.ts"
import { Fleet } from "./Fleet.ts"
import { Stuck } from "./Kernel.ts"
import { Nemesis } from "./Nemesis.ts"
import type { Sometimes, Violation } from "./OpLog.ts"
import { optionsOf, type SimOptions } from "./Options.ts"
import { type RowFacts, shown } from "./Rows.ts"
import * as Stores from "./Stores.ts"
import { Workload } from "./Workload.ts"
import { makeWorld, type World } from "./World.ts"

export interface Run {
  readonly options: SimOptions
  readonly lines: ReadonlyArray<string>
  readonly counts: ReadonlyMap<Sometimes, number>
  readonly violations: ReadonlyArray<Violation>
  /** The lines that explain the first violation. */
  readonly history: ReadonlyArray<string>
  readonly simulatedMs: number
  /** From the end of the faults until all rows had ended. */
  readonly healedMs: number
}

const historyMax = 60

/**
 * A request that hangs is given up after five minutes or ten leases (`Dispatcher`); a breaker waits a minute and a
 * quarter at most, and longer than that only when it was told to; what is tried again waits for its back-off.
 */
const boundMs = ({ backoff, faults, leaseMs }: SimOptions): number =>
  120_000 + backoff.capMs + 4 * leaseMs + (faults.includes("engine-hangs") ? Math.max(300_000, 10 * leaseMs) : 0)

/** A stopping worker: what it drains, and the last settlement with the retries that a database may cost. */
const endingMs = ({ drainMs, leaseMs }: SimOptions): number => drainMs + leaseMs + 10_000

class Simulation {
  readonly world: World
  private readonly fleet: Fleet
  private readonly nemesis: Nemesis
  private readonly workload: Workload
  private readonly engine: Engine
  private readonly stores
  healedMs = 0

  constructor(options: SimOptions) {
    this.world = makeWorld(options)
    this.stores = Effect.runSync(Layer.buildWithScope(Stores.layer(this.world), Scope.makeUnsafe()))
    const index = Effect.runSync(Effect.provideContext(SearchIndex.use(Effect.succeed), this.stores))
    this.engine = new Engine(this.world, index, (process) => this.fleet.kill(process))
    this.fleet = new Fleet(this.world, this.stores, this.engine)
    this.nemesis = new Nemesis(this.world, this.stores, this.fleet)
    this.workload = new Workload(this.world, this.stores, this.engine, () => this.fleet.hint())
  }

  private get failed(): boolean {
    return this.world.log.violations.length > 0
  }

  /** Until `until` holds, or something is wrong; whether it came to hold in time. */
  private go(ms: number, until: () => boolean): boolean {
    const { kernel } = this.world
    return kernel.run(kernel.now + ms, () => this.failed || until())
  }

  private late(what: string): void {
    const open: ReadonlyArray<RowFacts> = [...this.world.ledger.open]
    const rows = open.slice(0, 10).map((row) => `${shown(row)} ${row.projection}`).join(", ")
    this.world.log.violated("7 liveness", `${what}: ${open.length} rows are open: ${rows}`, open[0]?.name)
  }

  private quiet(what: string): void {
    const { kernel, ledger, options } = this.world
    const begun = kernel.now
    if (!this.go(boundMs(options), () => ledger.open.size === 0 && this.contents.fanOuts.length === 0)) this.late(what)
    this.healedMs = Math.max(this.healedMs, kernel.now - begun)
  }

  private get contents(): Contents {
    return Effect.runSync(Effect.provideContext(Store.use(({ read }) => read), this.stores))
  }

  private check(): void {
    if (this.failed) return
    check({ world: this.world, contents: this.contents, engine: this.engine, workload: this.workload })
  }

  /** Whoever is answered again closes its breaker, and says so as soon as the database lets it. */
  private breakers(): void {
    const { breakers, log, options } = this.world
    if (this.go(2 * options.leaseMs + 60_000, () => breakers.wrong === undefined)) return
    log.violated("breaker", `${breakers.wrong?.name} is answered, and its breaker is open`)
  }

  private end(): void {
    this.fleet.isClosing = true
    for (const process of this.fleet.running) this.fleet.terminate(process)
    if (!this.go(endingMs(this.world.options), () => this.fleet.isEmpty)) this.late("workers do not end")
  }

  private live(): void {
    const { ledger, options, server } = this.world
    const phases = [
      () => {
        this.workload.begin()
        this.nemesis.begin()
        this.fleet.startAll()
        const isOver = () => this.workload.ended === options.writes && ledger.open.size === 0 && this.nemesis.isOver
        this.go(options.spanMs, isOver)
        this.nemesis.heal()
        this.go(0.001, () => false)
        this.quiet("after the faults")
      },
      () => this.check(),
      () => {
        for (const projection of subscribed) server.post(() => this.nemesis.replay(projection, "dead"))
        this.go(1, () => false)
        this.quiet("after the dead were replayed")
      },
      () => this.check(),
      () => {
        const dead = [...ledger.rows.values()].find(({ state }) => state === "dead")
        if (dead !== undefined) {
          this.world.log.violated("3 conservation", `${shown(dead)} died though all is well`, dead.name)
        }
      },
      () => this.breakers(),
      () => this.end()
    ]
    for (const phase of phases) if (!this.failed) phase()
  }

  run(): Run {
    const { kernel, log, options } = this.world
    const { stackTraceLimit } = Error
    // Half of a run would be spent on finding out where its spans began.
    Error.stackTraceLimit = 0
    try {
      this.live()
    } catch (error) {
      log.violated(
        error instanceof Stuck ? "7 liveness" : "no defects",
        error instanceof Error ? error.stack ?? "" : String(error)
      )
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
    return {
      options,
      lines: log.lines,
      counts: log.counts,
      violations: log.violations,
      history: this.failed ? log.about(log.violations[0]?.entity, historyMax) : [],
      simulatedMs: kernel.now,
      healedMs: this.healedMs
    }
  }
}

export const simulate = (seed: number): Run => new Simulation(optionsOf(seed)).run()
