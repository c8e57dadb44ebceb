/** The task's side of a push: a connection per gateway, kept while it is used, and no waiting for one that is gone. */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Clock, Duration, Effect, Layer, RcMap } from "effect"
import { RpcClient } from "effect/rpc"
import type { TraceContext } from "../../src/domain/TraceContext.ts"
import type { Gateway } from "../../src/realtime/Presence.ts"
import { Push } from "../../src/realtime/Push.ts"
import { PushFailed } from "../../src/realtime/RealtimeErrors.ts"
import type { SessionMessage } from "../../src/realtime/Session.ts"
import { frameHeaders, PushProtocol, serialization } from "./PushProtocol.ts"

const answerWithin = Duration.seconds(3)
const openWithin = Duration.seconds(1)
const idleFor = Duration.seconds(60)
/** A gateway that did not answer is not asked again for as long, so that it holds up nobody else's messages. */
const barredMs = 1_000

const connect = (address: string) => {
  const at = address.lastIndexOf(":")
  const host = address.slice(0, at).replace(/^\[|\]$/g, "")
  const protocol = RpcClient.layerProtocolSocket({ pingInterval: "2 seconds" }).pipe(
    Layer.provide(NodeSocket.layerNet({ host, port: Number(address.slice(at + 1)), openTimeout: openWithin })),
    Layer.provide(serialization)
  )
  return Effect.flatMap(
    Layer.build(protocol),
    (context) => Effect.provideContext(RpcClient.make(PushProtocol, { disableTracing: true }), context)
  )
}

const make = Effect.gen(function*() {
  const clients = yield* RcMap.make({ lookup: connect, idleTimeToLive: idleFor })
  const barred = new Map<string, number>()

  const ask = (gateway: Gateway, message: SessionMessage, trace: TraceContext | null) =>
    Effect.gen(function*() {
      const client = yield* RcMap.get(clients, gateway.address)
      const headers = { ...(trace === null ? {} : frameHeaders.write(trace, {})) } as Record<string, string>
      return yield* client.Push({ gateway_id: gateway.gateway_id, message }, { headers })
    }).pipe(Effect.scoped, Effect.timeout(answerWithin))

  const unreachable = Effect.fnUntraced(function*({ address, gateway_id }: Gateway, detail: string) {
    barred.set(address, (yield* Clock.currentTimeMillis) + barredMs)
    // A socket that is half open would go on taking what nobody reads.
    yield* RcMap.invalidate(clients, address)
    return yield* new PushFailed({ gateway_id, why: "unreachable", detail: detail.slice(0, 256) })
  })

  const push = Effect.fnUntraced(function*(gateway: Gateway, message: SessionMessage, trace: TraceContext | null) {
    const now = yield* Clock.currentTimeMillis
    for (const [address, until] of barred) if (until <= now) barred.delete(address)
    if (barred.has(gateway.address)) {
      const detail = "it did not answer just now"
      return yield* new PushFailed({ gateway_id: gateway.gateway_id, why: "unreachable", detail })
    }
    const { user_count } = yield* ask(gateway, message, trace).pipe(
      Effect.catch((error) => error instanceof PushFailed ? Effect.fail(error) : unreachable(gateway, error.message))
    )
    return user_count
  })

  return Push.of({ push })
})

export const layer = Layer.effect(Push, make)
