/** Answers the routes that look: search, chronicle, outbox; and steers the outboxes. */
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { HttpEffect, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { badField, NotFound, Unavailable } from "../../src/api/Problems.ts"
import { WordloomApi } from "../../src/api/WordloomApi.ts"
import { TagNames } from "../../src/catalog/TagNames.ts"
import { Chronicle } from "../../src/chronicle/Chronicle.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { limitDefault } from "../../src/domain/Paging.ts"
import { Idempotency } from "../../src/idempotency/Idempotency.ts"
import { LiveOverview, type Moment } from "../../src/outbox/LiveOverview.ts"
import { deadSample, OutboxReport } from "../../src/outbox/OutboxReport.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import { ProjectionControlled, shownState, statusesOf } from "../../src/outbox/ProjectionStatus.ts"
import { find } from "../../src/plane/Front.ts"
import { RequestPlane } from "../../src/plane/RequestPlane.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { isSearchable, parseQuery, type SearchTerms, termCount, termsMax } from "../../src/search/SearchQuery.ts"
import { orProblem } from "./ProblemOf.ts"

const asId = Schema.decodeUnknownOption(EntityId)

const termsOf = (q: string): Effect.Effect<SearchTerms, ReturnType<typeof badField>> => {
  const terms = parseQuery(q)
  return !isSearchable(terms)
    ? Effect.fail(badField("q", "must have at least one word to look for"))
    : termCount(terms) > termsMax
    ? Effect.fail(badField("q", `must have at most ${termsMax} terms`))
    : Effect.succeed(terms)
}

const search = HttpApiBuilder.group(WordloomApi, "search", (build) =>
  Effect.gen(function*() {
    const { engine } = yield* SearchIndex
    const plane = yield* RequestPlane
    const tags = yield* TagNames
    return build.handleAll({
      find: Effect.fnUntraced(function*({ query }) {
        const terms = yield* termsOf(query.q)
        const tag = query.tag
        const tagId = tag === undefined ? undefined : Option.getOrUndefined(asId(tag)) ?? (yield* tags.idOf(tag))
        // A tag that does not exist is on no block.
        if (tag !== undefined && tagId === undefined) return { items: [], next_cursor: null, engine }
        const wanted = { terms, kind: query.kind, library_id: query.library_id, tag_id: tagId }
        const page = yield* find(wanted, query.limit ?? limitDefault, query.cursor).pipe(
          Effect.provideService(RequestPlane, plane)
        )
        return { ...page, engine }
      }, orProblem)
    })
  }))

const chronicle = HttpApiBuilder.group(
  WordloomApi,
  "chronicle",
  (build) =>
    Effect.map(Chronicle, (entries) =>
      build.handleAll({
        read: ({ query }) => orProblem(entries.read(query, query.limit ?? limitDefault, query.cursor))
      }))
)

const liveHeaders = { "cache-control": "no-store", "x-accel-buffering": "no" }

const eventOf = (moment: Moment) =>
  moment._tag === "Seen"
    ? { event: "overview" as const, data: moment.overview }
    : { event: "unavailable" as const, data: "the database does not answer" as const }

const outbox = HttpApiBuilder.group(WordloomApi, "outbox", (build) =>
  Effect.gen(function*() {
    const [report, control, live] = [yield* OutboxReport, yield* ProjectionControl, yield* LiveOverview]
    const idempotency = yield* Idempotency
    const once = <A, I, E>(
      headers: { readonly "idempotency-key"?: string },
      said: ReadonlyArray<unknown>,
      answer: Schema.Codec<A, I>,
      effect: Effect.Effect<A, E>
    ) => idempotency.once({ key: headers["idempotency-key"], said: JSON.stringify(said) }, answer, effect)
    const projections = Effect.zipWith(report.stats, control.states, statusesOf)
    const stateOf = (projection: Projection) => Effect.map(control.states, (states) => shownState(projection, states))

    return build.handleAll({
      stats: () => orProblem(Effect.map(projections, (shown) => ({ projections: shown }))),
      events: ({ query }) => orProblem(report.events(query, query.limit ?? limitDefault, query.cursor)),
      overview: () => orProblem(live.now),
      live: Effect.fnUntraced(function*() {
        const moments = yield* live.watch
        if (moments === undefined) return yield* new Unavailable({ detail: "as many watch as can: ask again later" })
        // A proxy that collects what it passes on would show each second in the next minute.
        yield* HttpEffect.appendPreResponseHandler((_request, response) =>
          Effect.succeed(HttpServerResponse.setHeaders(response, liveHeaders))
        )
        return Stream.map(moments, eventOf)
      }),
      deadLetters: () => orProblem(Effect.map(report.deadGroups, (groups) => ({ groups, sample: deadSample }))),
      replayOne: ({ headers, params: { id, projection } }) =>
        once(
          headers,
          ["replay", projection, id],
          Schema.Int,
          Effect.filterOrFail(
            report.replay({ projection, id }),
            (replayed) => replayed > 0,
            () => new NotFound({ detail: `${projection} has no finished event ${id}` })
          )
        ).pipe(orProblem, Effect.map((replayed) => ({ replayed }))),
      replay: ({ headers, payload }) =>
        once(headers, ["replay", payload], Schema.Int, report.replay(payload)).pipe(
          orProblem,
          Effect.map((replayed) => ({ replayed }))
        ),
      pause: ({ headers, params: { projection }, payload }) => {
        const reason = payload?.reason ?? null
        const paused = Effect.andThen(control.pause(projection, reason), stateOf(projection))
        return orProblem(once(headers, ["pause", projection, reason], ProjectionControlled, paused))
      },
      resume: ({ headers, params: { projection } }) => {
        const resumed = Effect.andThen(control.resume(projection), stateOf(projection))
        return orProblem(once(headers, ["resume", projection], ProjectionControlled, resumed))
      }
    })
  }))

export const layer = Layer.mergeAll(search, chronicle, outbox)
