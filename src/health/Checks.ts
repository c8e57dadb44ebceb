/** What the checks of a process are made of: each is bounded in time, and tells that it failed, not what is inside. */
import { Context, Duration, Effect, Exit, Layer, Option } from "effect"
import { leaving } from "../outbox/Leaving.ts"
import { SeriesAlarm } from "../telemetry/SeriesAlarm.ts"
import { EventLoop } from "./EventLoop.ts"
import { type CheckResult, Health } from "./Health.ts"
import { shared } from "./Shared.ts"

export type Checks = Readonly<Record<string, Effect.Effect<CheckResult>>>

/** What a process needs beside its database, and what it has prepared beside it; each under the name of its check. */
export const FurtherChecks = Context.Reference<{ readonly ready: Checks; readonly startup: Checks }>(
  "wordloom/health/FurtherChecks",
  { defaultValue: () => ({ ready: {}, startup: {} }) }
)

export const latency = (elapsed: Duration.Duration) => Math.round(Duration.toMillis(elapsed) * 100) / 100

export const checked = <A, E, R>(check: Effect.Effect<A, E, R>, within: Duration.Duration) =>
  Effect.timed(Effect.exit(Effect.timeout(leaving(check), within))).pipe(
    Effect.map(([elapsed, exit]): CheckResult => ({
      status: Exit.isSuccess(exit) ? "pass" : "fail",
      latency_ms: latency(elapsed),
      ...(Exit.isSuccess(exit) ? {} : { message: "no answer" })
    })),
    Effect.withTracerEnabled(false)
  )

export const skipped = (message: string): CheckResult => ({ status: "skip", message })

/** Side by side, so that the slowest alone decides how long a probe waits. */
export const all = (checks: Checks) => Effect.all(checks, { concurrency: "unbounded" })

/** Milliseconds. */
const lagMax = 1_000

/** Neither is a `fail`: what is busy or too talkative does its work, and would not be better for being left out. */
export const ofProcess = Effect.gen(function*() {
  const alarm = yield* Effect.serviceOption(SeriesAlarm)
  const lag = yield* Effect.flatMap(EventLoop, ({ lagMs }) => lagMs)
  const note = Option.isSome(alarm) ? yield* alarm.value.note : undefined
  const event_loop: CheckResult = {
    status: "pass",
    latency_ms: Math.round(lag * 100) / 100,
    ...(lag > lagMax ? { message: `degraded: timers were late by ${Math.round(lag)} ms` } : {})
  }
  const metrics: CheckResult = { status: "pass", ...(note === undefined ? {} : { message: note }) }
  return { event_loop, metrics }
})

/** What is prepared once, and is not in this product or not in this process. */
export const preparedNowhere = {
  leader_election: skipped("nobody leads: workers share by leases"),
  schedulers: skipped("whatever is done from time to time is done by who comes first"),
  websocket_server: skipped("not part of this process")
}

/** Of a process without a database: what it needs beside one is all that it needs. */
export const layerWithoutDatabase = Layer.effect(
  Health,
  Effect.gen(function*() {
    const further = yield* FurtherChecks
    const context = yield* Effect.context()
    const database = skipped("not used by this process")
    const ready = Effect.gen(function*() {
      return { database, ...(yield* all(further.ready)), ...(yield* Effect.provideContext(ofProcess, context)) }
    })
    const startup = Effect.gen(function*() {
      return { database_migration: database, ...preparedNowhere, ...(yield* all(further.startup)) }
    })
    return Health.of({ ready: yield* shared(ready), startup: yield* shared(startup) })
  })
)
