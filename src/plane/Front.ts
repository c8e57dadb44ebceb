/** A search as the request plane's front sees it: one `http-request`, with a stage after the other under it. */
import { Clock, Duration, Effect } from "effect"
import type { SearchQuery } from "../search/SearchQuery.ts"
import { AnswerBy } from "./Envelope.ts"
import { RequestPlane } from "./RequestPlane.ts"
import { inStageSpan } from "./StageSpan.ts"

/** Both stages together; each engine gives up after two seconds by itself. */
const answerWithin = Duration.seconds(6)

export const find = Effect.fnUntraced(function*(query: SearchQuery, limit: number, cursor: string | undefined) {
  const { hydrate, recall, wire } = yield* RequestPlane
  const answerBy = (yield* Clock.currentTimeNanos) + Duration.toNanosUnsafe(answerWithin)
  const search = Effect.gen(function*() {
    const { items, next_cursor } = yield* recall({ query, limit, cursor: cursor ?? null })
    const hits = items.length === 0 ? [] : yield* hydrate({ terms: query.terms, found: items })
    return { items: hits, next_cursor }
  })
  return yield* inStageSpan(
    {
      name: "http-request",
      kind: wire === "inproc" ? "internal" : "client",
      attributes: { request_plane: wire },
      logged: wire !== "inproc"
    },
    Effect.provideService(search, AnswerBy, answerBy)
  )
})
