/** The stages of the search in other processes. */
import { Cause, Duration, Effect, Layer } from "effect"
import { RpcClient, type RpcClientError } from "effect/rpc"
import { left, outgoing } from "../../src/plane/Envelope.ts"
import { type Stage, StageFailed } from "../../src/plane/Payloads.ts"
import { RequestPlane, type Wire } from "../../src/plane/RequestPlane.ts"
import type { Address } from "../../src/settings/SettingKind.ts"
import { StageApi } from "./StageApi.ts"
import { clientOf } from "./Wires.ts"

/** Why nobody answered lies below what the wire says of itself. */
const detailOf = ({ message, reason }: RpcClientError.RpcClientError) =>
  "cause" in reason && reason.cause instanceof Error && reason.cause.message !== "" ? reason.cause.message : message

/** What the far side said is not what was asked for; everything else is nobody's answer. */
const isBroken = ({ reason }: RpcClientError.RpcClientError) => reason._tag === "RpcClientDefect"

/** Takes what goes with a payload from the fiber that calls; without patience that is left it does not ask. */
const called = <A, E>(
  stage: Stage,
  call: Effect.Effect<A, E | RpcClientError.RpcClientError>
) =>
  Effect.gen(function*() {
    const duration = yield* left
    const late = new StageFailed({ stage, reason: "timeout" })
    if (Duration.isZero(duration)) return yield* late
    const headers = yield* outgoing
    return yield* call.pipe(
      RpcClient.withHeaders(headers),
      // The far side was told to end in the middle of it. It would pass for the end of our own caller.
      Effect.catchCause((cause): Effect.Effect<never, E | RpcClientError.RpcClientError | StageFailed> =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.fail(new StageFailed({ stage, reason: "unreachable" }))
          : Effect.failCause(cause)
      ),
      Effect.timeoutOrElse({ duration, orElse: () => Effect.fail(late) })
    )
  }).pipe(
    Effect.catchIf(
      (error): error is RpcClientError.RpcClientError =>
        typeof error === "object" && error !== null && "_tag" in error && error._tag === "RpcClientError",
      (error) =>
        Effect.andThen(
          Effect.logWarning("a stage of the search did not answer", { stage, error: detailOf(error) }),
          Effect.fail(new StageFailed({ stage, reason: isBroken(error) ? "broken" : "unreachable" }))
        )
    ),
    Effect.catchDefect((defect) =>
      Effect.andThen(
        Effect.logError("a stage of the search broke", { stage, error: String(defect) }),
        Effect.fail(new StageFailed({ stage, reason: "broken" }))
      )
    )
  )

const connected = <E, R>(way: Layer.Layer<RpcClient.Protocol, E, R>) =>
  Effect.flatMap(
    Layer.build(way),
    (protocol) => RpcClient.make(StageApi, { disableTracing: true }).pipe(Effect.provide(protocol))
  )

export interface Options {
  readonly wire: "http" | "tcp"
  readonly recall: Address
  readonly hydrate: Address
}

interface Ways<E, R> {
  readonly wire: Wire
  readonly recall: Layer.Layer<RpcClient.Protocol, E, R>
  readonly hydrate: Layer.Layer<RpcClient.Protocol, E, R>
}

/** Over a wire of another layer. */
export const over = <E, R>({ hydrate, recall, wire }: Ways<E, R>) =>
  Layer.effect(
    RequestPlane,
    Effect.gen(function*() {
      const [first, second] = [yield* connected(recall), yield* connected(hydrate)]
      return RequestPlane.of({
        wire,
        recall: (wanted) => called("recall", first.recall(wanted)),
        hydrate: (wanted) => called("hydrate", second.hydrate(wanted))
      })
    })
  )

export const layer = ({ hydrate, recall, wire }: Options) =>
  over({ wire, recall: clientOf(wire, recall), hydrate: clientOf(wire, hydrate) })
