/** The message bus within one process: bounded, and gone with it. */
import { Clock, Duration, Effect, Layer, Queue, Result, Schedule } from "effect"
import {
  type CarriedTrace,
  MessageBus,
  messageId,
  type Published,
  type Received
} from "../../src/realtime/MessageBus.ts"
import { BusUnavailable } from "../../src/realtime/RealtimeErrors.ts"
import type { SessionMessage } from "../../src/realtime/Session.ts"

export interface Options {
  /** What is not settled by then comes again. */
  readonly ackWait: Duration.Duration
  /** How long a message id is remembered. */
  readonly duplicateWindow: Duration.Duration
  /** Messages that are not settled yet; whoever publishes more is refused. */
  readonly max: number
}

export const defaults: Options = {
  ackWait: Duration.seconds(30),
  duplicateWindow: Duration.minutes(2),
  max: 10_000
}

const buriedMax = 1_000

interface Entry {
  readonly message: SessionMessage
  readonly trace: CarriedTrace
  attempt: number
  /** When it comes again by itself. */
  dueAt: number
}

const traceOf = ({ trace }: Published): CarriedTrace => ({
  headers: trace === null ? {} : {
    traceparent: [trace.traceparent],
    ...(trace.tracestate === null ? {} : { tracestate: [trace.tracestate] })
  },
  field: trace?.traceparent
})

const make = Effect.fnUntraced(function*(options: Options) {
  const ready = yield* Queue.unbounded<Entry>()
  const waiting = new Set<Entry>()
  const known = new Map<string, number>()
  const dead: Array<{ readonly reason: string; readonly message: SessionMessage }> = []
  let unsettled = 0

  const forget = (now: number) => {
    for (const [id, until] of known) {
      if (until > now) break
      known.delete(id)
    }
  }

  const publish = Effect.fnUntraced(function*(all: ReadonlyArray<Published>) {
    const now = yield* Clock.currentTimeMillis
    forget(now)
    const results: Array<Result.Result<void, BusUnavailable>> = []
    for (const one of all) {
      const id = messageId(one.message)
      if (!known.has(id)) {
        if (unsettled >= options.max) {
          results.push(Result.fail(new BusUnavailable({ detail: `${options.max} messages wait already` })))
          continue
        }
        known.set(id, now + Duration.toMillis(options.duplicateWindow))
        unsettled++
        yield* Queue.offer(ready, { message: one.message, trace: traceOf(one), attempt: 0, dueAt: 0 })
      }
      results.push(Result.void)
    }
    return results
  })

  const settled = (entry: Entry) => {
    const was = waiting.delete(entry)
    if (was) unsettled--
    return was
  }

  const receivedOf = (entry: Entry): Received => {
    const mine = entry.attempt
    const held = () => entry.attempt === mine
    return {
      message: entry.message,
      trace: entry.trace,
      attempt: mine,
      done: Effect.sync(() => void (held() && settled(entry))),
      again: (delayMs) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          if (held() && waiting.has(entry)) entry.dueAt = now + delayMs
        }),
      bury: (reason) =>
        Effect.sync(() => {
          if (!held() || !settled(entry)) return
          dead.push({ reason, message: entry.message })
          if (dead.length > buriedMax) dead.shift()
        })
    }
  }

  const take = Effect.fnUntraced(function*(max: number) {
    const taken = yield* Queue.takeBetween(ready, 1, max)
    const now = yield* Clock.currentTimeMillis
    return taken.map((entry) => {
      entry.attempt++
      entry.dueAt = now + Duration.toMillis(options.ackWait)
      waiting.add(entry)
      return receivedOf(entry)
    })
  })

  /** What is due again stands behind what was never taken. */
  const sweep = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    for (const entry of [...waiting].filter(({ dueAt }) => dueAt <= now)) {
      waiting.delete(entry)
      yield* Queue.offer(ready, entry)
    }
  })
  yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced("50 millis")))

  return MessageBus.of({ publish, take, buried: Effect.sync(() => [...dead]) })
})

export const layerWith = (options: Options) => Layer.effect(MessageBus, make(options))
export const layer = layerWith(defaults)
