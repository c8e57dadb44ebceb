/** The stages themselves, over the search index of this process. */
import { type Duration, Effect, Layer } from "effect"
import { SearchIndex } from "../search/SearchIndex.ts"
import { CurrentRequest } from "../telemetry/CurrentRequest.ts"
import { type Headers, incoming, left } from "./Envelope.ts"
import { type Hydrate, type Recall, type Stage, StageFailed } from "./Payloads.ts"
import { RequestPlane } from "./RequestPlane.ts"
import { inStageSpan } from "./StageSpan.ts"

const within = <A, E, R>(stage: Stage, time: Duration.Duration, work: Effect.Effect<A, E, R>) =>
  Effect.timeoutOrElse(work, {
    duration: time,
    orElse: () => Effect.fail(new StageFailed({ stage, reason: "timeout" }))
  })

const handled = <A, E, R>(stage: Stage, time: Duration.Duration, work: Effect.Effect<A, E, R>) =>
  inStageSpan(
    { name: "handle_payload", kind: "internal", attributes: { stage, request_plane: "inproc" }, logged: false },
    within(stage, time, work)
  )

const work = Effect.map(SearchIndex, (index) => ({
  recall: ({ cursor, limit, query }: typeof Recall.Type) => index.recall(query, limit, cursor ?? undefined),
  hydrate: ({ found, terms }: typeof Hydrate.Type) => index.hydrate(terms, found)
}))

/** Without a wire. */
export const layer = Layer.effect(
  RequestPlane,
  Effect.map(work, ({ hydrate, recall }) =>
    RequestPlane.of({
      wire: "inproc",
      recall: (wanted) => Effect.flatMap(left, (time) => handled("recall", time, recall(wanted))),
      hydrate: (wanted) => Effect.flatMap(left, (time) => handled("hydrate", time, hydrate(wanted)))
    }))
)

/** For another process, whose trace, request and patience come with the payload. */
const served = (wire: string) => <A, E, R>(stage: Stage, headers: Headers, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { parent, requestId, within: time } = yield* incoming(headers)
    return yield* inStageSpan(
      { name: "handle_payload", kind: "server", attributes: { stage, request_plane: wire }, parent, logged: true },
      within(stage, time, effect)
    ).pipe(Effect.provideService(CurrentRequest, { requestId, actor: "anonymous" }))
  })

export const handlers = (wire: string) => {
  const serve = served(wire)
  return Effect.map(work, ({ hydrate, recall }) => ({
    recall: (payload: typeof Recall.Type, headers: Headers) => serve("recall", headers, recall(payload)),
    hydrate: (payload: typeof Hydrate.Type, headers: Headers) => serve("hydrate", headers, hydrate(payload))
  }))
}
