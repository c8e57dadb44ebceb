/** PostgreSQL did not answer, or not in time; nothing was written. */
import { Schema } from "effect"

export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>("wordloom/outbox/StoreUnavailable")(
  "StoreUnavailable",
  { cause: Schema.Defect() }
) {
  override get message() {
    return "the database did not answer"
  }
}
