/** One simulated system: the database and the far sides in one process, the workers each in its own. */
import { type Cause, Clock, Context, Effect, type Exit, Logger, Random, References, Scheduler, Tracer } from "effect"
import { Breakers } from "./Breakers.ts"
import { type Chance, effectRandom, stream } from "./Chance.ts"
import { Faults } from "./Faults.ts"
import { Kernel, type Process } from "./Kernel.ts"
import { Ledger } from "./Ledger.ts"
import { OpLog } from "./OpLog.ts"
import type { SimOptions } from "./Options.ts"
import { Spans } from "./Spans.ts"

export interface World {
  readonly options: SimOptions
  readonly kernel: Kernel
  /** Where the database, the engine and the nemesis live: never stopped. */
  readonly server: Process
  readonly faults: Faults
  readonly log: OpLog
  readonly ledger: Ledger
  readonly spans: Spans
  readonly breakers: Breakers
  readonly chance: (name: string) => Chance
  /** The next row that is left in an outbox is not, and takes its write with it. */
  readonly api: { appendFails: boolean }
}

export const makeWorld = (options: SimOptions): World => {
  const chance = (name: string) => stream(options.seed, name)
  const kernel = new Kernel(chance("order"))
  const log = new OpLog(kernel)
  return {
    options,
    kernel,
    server: kernel.spawn("server"),
    faults: new Faults(options, chance("faults")),
    log,
    ledger: new Ledger(kernel, log, options),
    spans: new Spans(),
    breakers: new Breakers(),
    chance,
    api: { appendFails: false }
  }
}

/** What the fibers of a process run under: its own time and turn, and random values of its own. */
export const contextOf = (
  world: World,
  process: Process,
  openSpans?: Set<Tracer.Span>
): Context.Context<never> =>
  Context.make(Clock.Clock, process.clock).pipe(
    Context.add(Scheduler.Scheduler, process),
    Context.add(Random.Random, effectRandom(world.chance(`random of ${process.name}`))),
    Context.add(Tracer.Tracer, world.spans.tracer(openSpans)),
    Context.add(Logger.CurrentLoggers, new Set<Logger.Logger<unknown, unknown>>()),
    Context.add(References.MinimumLogLevel, "None")
  )

/** As a task of the process; `onExit` is called within it. */
export const launch = <A, E>(
  process: Process,
  context: Context.Context<never>,
  effect: Effect.Effect<A, E>,
  onExit: (exit: Exit.Exit<A, E>) => void = () => {}
): void => process.post(() => void Effect.runForkWith(context)(effect).addObserver(onExit))

/** A defect of the simulated system ends the run: nothing after it can be trusted. */
export const brokenBy = (world: World, what: string, cause: Cause.Cause<unknown>): void =>
  world.log.violated("no defects", `${what}: ${String(cause)}`)
