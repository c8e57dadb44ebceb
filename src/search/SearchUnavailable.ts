/** The engine did not answer, or not in time; or it has no index to answer from. */
import { Schema } from "effect"

/** So it is until the first worker has begun, and after somebody has deleted it. */
export const noIndexIn = (engine: string): string => `the search engine (${engine}) has no index yet: a worker makes it`

export class SearchUnavailable extends Schema.TaggedError<SearchUnavailable>("wordloom/search/SearchUnavailable")(
  "SearchUnavailable",
  { engine: Schema.String, cause: Schema.Defect(), reason: Schema.optionalKey(Schema.Literal("no_index")) }
) {
  override get message() {
    const { engine, reason } = this
    return reason === "no_index" ? noIndexIn(engine) : `the search engine (${engine}) did not answer`
  }

  /** In short, for people: what was found, or the engine's own words. */
  get why(): string {
    const { cause, message, reason } = this
    return reason !== "no_index" && cause instanceof Error && cause.message !== "" ? cause.message : message
  }

  get detail(): string {
    return this.why === this.message ? this.message : `${this.message}: ${this.why}`
  }
}
