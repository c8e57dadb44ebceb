/** The stages of a search: what each is asked and answers, on both ends of every wire. */
import { Schema } from "effect"
import { EntityId, EntityKind } from "../domain/Entity.ts"
import { CursorInvalid, limitMax } from "../domain/Paging.ts"
import { Found, SearchHit } from "../search/SearchIndex.ts"
import { queryMax, termsMax } from "../search/SearchQuery.ts"
import { SearchUnavailable } from "../search/SearchUnavailable.ts"

export const stages = ["recall", "hydrate"] as const
export type Stage = typeof stages[number]

/** `unreachable`: nobody answered; `timeout`: not in time; `full`: too many ask; `broken`: the answer was none. */
export class StageFailed extends Schema.TaggedError<StageFailed>("wordloom/plane/StageFailed")("StageFailed", {
  stage: Schema.Literals(stages),
  reason: Schema.Literals(["unreachable", "timeout", "full", "broken"])
}) {
  override get message() {
    return `the ${this.stage} stage of the search is ${this.reason === "timeout" ? "too slow" : this.reason}`
  }
}

const text = Schema.String.check(Schema.isMaxLength(queryMax))
const texts = Schema.Array(text).check(Schema.isMaxLength(termsMax))
const Terms = Schema.Struct({ words: texts, phrases: texts, without: texts, prefix: Schema.NullOr(text) })

const Query = Schema.Struct({
  terms: Terms,
  kind: Schema.optional(EntityKind),
  library_id: Schema.optional(EntityId),
  tag_id: Schema.optional(EntityId)
})

export const Recall = Schema.Struct({
  query: Query,
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: limitMax })),
  cursor: Schema.NullOr(Schema.String)
})
export const Recalled = Schema.Struct({ items: Schema.Array(Found), next_cursor: Schema.NullOr(Schema.String) })
export const RecallFailed = Schema.Union([SearchUnavailable, CursorInvalid, StageFailed])

export const Hydrate = Schema.Struct({ terms: Terms, found: Schema.Array(Found).check(Schema.isMaxLength(limitMax)) })
export const Hydrated = Schema.Array(SearchHit)
export const HydrateFailed = Schema.Union([SearchUnavailable, StageFailed])
