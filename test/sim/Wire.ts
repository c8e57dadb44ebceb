/** The way of a call from a worker to the database and back, on which either may be lost. */
import { Effect, Exit } from "effect"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import type { Call } from "./Faults.ts"
import type { Process } from "./Kernel.ts"
import { contextOf, type World } from "./World.ts"

const away: Exit.Exit<never, StoreUnavailable> = Exit.fail(new StoreUnavailable({ cause: "simulated" }))

export type Wire = <A, E>(
  from: Process,
  call: Call,
  serve: Effect.Effect<A, E>
) => Effect.Effect<A, E | StoreUnavailable>

/**
 * What was sent is on its way: neither the end of the process nor of the fiber that asks takes it back. The answer is a
 * step of the process, so one that is stopped hears of it later, and a killed one never.
 */
export const makeWire = (world: World): Wire => {
  const { faults, kernel, ledger, log, server } = world
  const context = contextOf(world, server)
  return (from, call, serve) =>
    Effect.callback((resume) => {
      const fate = faults.database(from, call)
      const answer = (exit: typeof away) => server.after(fate.downMs, () => from.post(() => resume(exit)))
      const done = (exit: typeof away) => {
        faults.reach(from, call, "applied")
        if (!fate.answered) {
          log.happened("commit applied, answer lost")
          if (call === "claim") log.happened("claim whose answer was lost")
          if (call === "fanOut") log.happened("fan-out chunk whose answer was lost")
          if (call === "settle") log.happened("settlement whose answer was lost")
          log.say(from.name, `${call}: the answer is lost`)
        }
        answer(fate.answered ? exit : away)
      }
      const arrive = () => {
        if (fate.applied) {
          return void Effect.runForkWith(context)(serve).addObserver((exit) => done(exit as unknown as typeof away))
        }
        ledger.refusedAt = kernel.now
        log.happened("commit not applied")
        if (call === "extend") log.happened("heartbeat failed")
        log.say(from.name, `${call}: the database is away`)
        answer(away)
      }
      server.after(fate.upMs, () => {
        const late = faults.reach(from, call, "sent")
        if (late === 0) return arrive()
        log.happened("request on its way for long")
        log.say(from.name, `${call}: is on its way for long`)
        server.after(late, arrive)
      })
    })
}
