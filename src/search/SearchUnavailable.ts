/** The engine did not answer, or not in time. */
import { Schema } from "effect"

export class SearchUnavailable extends Schema.TaggedError<SearchUnavailable>("wordloom/search/SearchUnavailable")(
  "SearchUnavailable",
  { engine: Schema.String, cause: Schema.Defect() }
) {
  override get message() {
    return `the search engine (${this.engine}) did not answer`
  }
}
