/** Tells of a transaction that holds back vacuum: as a gauge at every look, in the log once it has gone on too long. */
import { Effect, Option, Ref } from "effect"
import { heldFor, type Holder, OldestTransaction, told } from "../outbox/OldestTransaction.ts"
import * as Metrics from "../telemetry/Metrics.ts"

/** Whoever reads a slot comes and goes; the slot is the same. */
const keyOf = ({ kind, name, pid }: Holder) => `${kind} ${name ?? pid}`

/** Each `sample` is one look, which knows what the last has warned of; `warnAfter` is in seconds. */
export const make = Effect.fnUntraced(function*(warnAfter: number) {
  const { look } = yield* OldestTransaction
  const warnedOf = yield* Ref.make<string | undefined>(undefined)
  const sample = Effect.gen(function*() {
    const found = yield* look
    const age = Option.match(found, { onNone: () => 0, onSome: ({ age_seconds }) => age_seconds ?? 0 })
    yield* Metrics.oldestTransactionAge.set({}, age)
    const holder = Option.getOrUndefined(heldFor(found, warnAfter))
    const key = holder && keyOf(holder)
    if (key === (yield* Ref.getAndSet(warnedOf, key)) || holder === undefined) return
    const { catalogs_only: _, ...fields } = holder
    yield* Effect.logWarning(`${told(holder)}: claims keep their pace, but dead rows are not removed`, fields)
  })
  return { sample }
})
