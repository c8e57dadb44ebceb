/** Why there is no embedded PostgreSQL, and what a person can do about it. */
import * as Schema from "effect/Schema"

/** What stood in the way; `problem` has the details. */
export const Reason = Schema.Literals([
  "NotInstalled",
  "NoServerUser",
  "HomeUnusable",
  "DataUnusable",
  "InitFailed",
  "StartFailed",
  "TooSlow"
])

/** Programs print the message as their one line and end. */
export class EmbeddedPostgresUnavailable
  extends Schema.TaggedError<EmbeddedPostgresUnavailable>("wordloom/embedded/EmbeddedPostgresUnavailable")(
    "EmbeddedPostgresUnavailable",
    {
      reason: Reason,
      problem: Schema.String,
      remedy: Schema.String,
      cause: Schema.optionalKey(Schema.Defect())
    }
  )
{
  override get message() {
    return `embedded PostgreSQL: ${this.problem}. ${this.remedy}, or set DATABASE_URL to use another PostgreSQL`
  }
}

/** A system error's code (`EACCES`), or else its text: enough for one line. */
export const causeInBrief = (cause: unknown): string =>
  cause instanceof Error ? (cause as NodeJS.ErrnoException).code ?? cause.message : String(cause)
