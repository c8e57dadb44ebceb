/** What doctor says of one thing that may be wrong: DX-01 to DX-24 of the requirements. */
import { Schema } from "effect"

/** `fail`: it is broken. `warn`: it will surprise somebody. `skip`: it could not be looked at, and why. */
export const Health = Schema.Literals(["ok", "warn", "fail", "skip"])
export type Health = typeof Health.Type

export const Finding = Schema.Struct({
  id: Schema.String,
  title: Schema.String,
  health: Health,
  /** What was found; of what is wrong, its cause. */
  cause: Schema.String,
  evidence: Schema.Record(Schema.String, Schema.NullOr(Schema.Union([Schema.String, Schema.Number, Schema.Boolean]))),
  /** What to do; `null` when there is nothing to mend. */
  fix: Schema.NullOr(Schema.String)
})
export type Finding = typeof Finding.Type
