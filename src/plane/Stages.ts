/** The stages themselves, over the search index of this process. */
import { Duration, Effect, Layer, Semaphore } from "effect"
import { SearchIndex } from "../search/SearchIndex.ts"
import { CurrentRequest } from "../telemetry/CurrentRequest.ts"
import { type Headers, incoming, left } from "./Envelope.ts"
import { type Hydrate, type Recall, type Stage, StageFailed } from "./Payloads.ts"
import { RequestPlane, type Wire } from "./RequestPlane.ts"
import { inStageSpan } from "./StageSpan.ts"

const within = <A, E, R>(stage: Stage, time: Duration.Duration, work: Effect.Effect<A, E, R>) =>
  Duration.isZero(time)
    ? Effect.fail(new StageFailed({ stage, reason: "timeout" }))
    : Effect.timeoutOrElse(work, {
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

/** Payloads that one process works on at once, and those that it holds, the waiting ones among them. */
export const atOnceMax = 64
export const heldMax = 1_024

/** Whoever finds no room is told so at once; whoever waits for its turn does so within its own patience. */
const admission = () => {
  const turns = Semaphore.makeUnsafe(atOnceMax)
  let held = 0
  const enter = (stage: Stage) =>
    Effect.suspend(() => {
      if (held >= heldMax) return Effect.fail(new StageFailed({ stage, reason: "full" }))
      held++
      return Effect.void
    })
  const exit = Effect.sync(() => {
    held--
  })
  return <A, E, R>(stage: Stage, effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(enter(stage), () => turns.withPermit(effect), () => exit)
}

/** For another process, whose trace, request and patience come with the payload. */
const served = (wire: Exclude<Wire, "inproc">) => {
  const admitted = admission()
  return <A, E, R>(stage: Stage, headers: Headers, effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function*() {
      const { parent, requestId, within: time } = yield* incoming(wire, headers)
      return yield* inStageSpan(
        { name: "handle_payload", kind: "server", attributes: { stage, request_plane: wire }, parent, logged: true },
        within(stage, time, admitted(stage, effect))
      ).pipe(Effect.provideService(CurrentRequest, { requestId, actor: "anonymous" }))
    })
}

export const handlers = (wire: Exclude<Wire, "inproc">) => {
  const serve = served(wire)
  return Effect.map(work, ({ hydrate, recall }) => ({
    recall: (payload: typeof Recall.Type, headers: Headers) => serve("recall", headers, recall(payload)),
    hydrate: (payload: typeof Hydrate.Type, headers: Headers) => serve("hydrate", headers, hydrate(payload))
  }))
}
