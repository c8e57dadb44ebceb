/** Whoever has held back vacuum for longest: no row that died since it began is removed while it lasts. */
import { Context, type Effect, Option, Schema } from "effect"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** `null`: the database does not know, or does not tell this user. A query is never said: it may hold secrets. */
export const Holder = Schema.Struct({
  kind: Schema.Literals(["session", "prepared", "slot"]),
  pid: Schema.NullOr(Schema.Int),
  /** Of a prepared transaction or of a replication slot; whoever ends it needs it. */
  name: Schema.NullOr(Schema.String),
  application_name: Schema.NullOr(Schema.String),
  user: Schema.NullOr(Schema.String),
  state: Schema.NullOr(Schema.String),
  age_seconds: Schema.NullOr(Schema.Number),
  age_transactions: Schema.Int,
  /** Of the tables, only the system's own catalogs wait for it. */
  catalogs_only: Schema.Boolean
})
export type Holder = typeof Holder.Type

/** Where a start is not known, so many transactions count as a second: about what a busy installation writes. */
export const transactionsPerSecond = 1_000

export class OldestTransaction extends Context.Service<OldestTransaction, {
  readonly look: Effect.Effect<Option.Option<Holder>, StoreUnavailable>
}>()("wordloom/outbox/OldestTransaction") {}

/** The holder, if it has been one for as long as this. */
export const heldFor = (found: Option.Option<Holder>, seconds: number): Option.Option<Holder> =>
  Option.filter(
    found,
    ({ age_seconds, age_transactions }) => (age_seconds ?? age_transactions / transactionsPerSecond) >= seconds
  )

/** Who it is and for how long, for a person who is to end it. */
export const told = (holder: Holder): string => {
  const { age_seconds, age_transactions, application_name, catalogs_only, kind, name, pid, user } = holder
  const by = [...(application_name === null ? [] : [application_name]), ...(user === null ? [] : [`user ${user}`])]
  const whose = by.length === 0 ? "" : ` (${by.join(", ")})`
  const age = age_seconds === null ? `${age_transactions} transactions` : `${Math.floor(age_seconds)} s`
  const who = {
    session: `transaction of pid ${pid}${whose} open for ${age}`,
    prepared: `prepared transaction ${name}${whose} open for ${age}`,
    slot: `replication slot ${name} behind by ${age}`
  }
  return `${who[kind]} holds back vacuum${catalogs_only ? " of the system catalogs" : ""}`
}
