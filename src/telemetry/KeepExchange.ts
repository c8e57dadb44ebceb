/** Tells other processes which traces were found worth keeping here, and hears of theirs; its loss loses only spans. */
import { Duration, Effect, Layer, Ref } from "effect"
import { parseTraceparent } from "../domain/TraceContext.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import { keepSignals } from "./Metrics.ts"
import { KeepExchanged, type Origin } from "./TraceKeeping.ts"
import { TraceSignals } from "./TraceSignals.ts"

export interface ExchangeOptions {
  readonly every: Duration.Duration
  /** So long after its own part was told a process waits for the part that left the row; then it rebuilds that. */
  readonly grace: Duration.Duration
}

/** The grace leaves every process several turns. */
export const usual: ExchangeOptions = { every: Duration.seconds(2), grace: Duration.seconds(12) }

/** Longer than a row is usually tried again. */
const remembered = Duration.hours(1)
/** What a process that has just begun wants to know. */
const atFirst = Duration.minutes(10)
const purgeEvery = Duration.minutes(1)

/** Rows are written with the clock of their statement, and seen a little later. */
const overlap = Duration.seconds(30)

const idsOf = ({ trace }: Origin) => {
  const { spanId = "", traceId = "" } = parseTraceparent(trace.traceparent) ?? {}
  return { spanId, traceId }
}

/** One exchange; `within` is how far back it looks. Tests call this. */
export const exchangeOnce = Effect.fnUntraced(
  function*(keeping: KeepExchanged, { grace }: ExchangeOptions, within: Duration.Duration) {
    const signals = yield* TraceSignals
    yield* keepSignals.add({ result: "heard" }, keeping.heard(yield* signals.recent(within)))
    const told = keeping.takeSignals()
    if (told.length > 0) yield* signals.write(told)
    yield* keepSignals.add({ result: "told" }, told.length)
    const unfound = keeping.takeUnfound(Duration.toMillis(grace))
    if (unfound.length === 0) return
    const claimed = yield* signals.claim(unfound.map(idsOf))
    keeping.rebuild(unfound.filter((origin) => claimed.has(idsOf(origin).spanId)))
    yield* keepSignals.add({ result: "rebuilt" }, claimed.size)
  },
  Effect.withTracerEnabled(false)
)

/** What could not be told is lost; the next turn tells of what came since. */
const quietly = <E, R>(effect: Effect.Effect<void, E, R>) =>
  Effect.catchCause(
    effect,
    (cause) =>
      Effect.andThen(
        keepSignals.add({ result: "failed" }),
        Effect.logDebug("processes could not tell each other of kept traces", cause)
      )
  )

export const layer = (options: ExchangeOptions = usual) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const keeping = yield* KeepExchanged
    if (keeping === undefined) return
    const signals = yield* TraceSignals
    const isFirst = yield* Ref.make(true)
    const exchange = Effect.gen(function*() {
      const within = (yield* Ref.getAndSet(isFirst, false)) ? atFirst : Duration.sum(options.every, overlap)
      yield* exchangeOnce(keeping, options, within)
    })
    const purge = signals.purge(remembered).pipe(Effect.withTracerEnabled(false))
    const forever = (once: Effect.Effect<void, StoreUnavailable, TraceSignals>, every: Duration.Duration) =>
      Effect.forkScoped(Effect.forever(Effect.andThen(quietly(once), Effect.sleep(every))))
    // What was found last is told before the end, as long as that takes no time.
    yield* Effect.addFinalizer(() =>
      Effect.timeoutOption(Effect.interruptible(quietly(exchangeOnce(keeping, options, overlap))), "1 second")
    )
    yield* forever(exchange, options.every)
    yield* forever(purge, purgeEvery)
  }))
