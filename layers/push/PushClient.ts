/** The task's side of a push: a connection per gateway, kept while it is used, and no waiting for one that is gone. */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Cause, Clock, Deferred, Duration, Effect, Exit, FiberSet, Layer, RcMap } from "effect"
import { RpcClient } from "effect/rpc"
import type { TraceContext } from "../../src/domain/TraceContext.ts"
import type { Gateway } from "../../src/realtime/Presence.ts"
import { Push } from "../../src/realtime/Push.ts"
import { PushFailed } from "../../src/realtime/RealtimeErrors.ts"
import type { SessionMessage } from "../../src/realtime/Session.ts"
import { frameHeaders, frameMax, type Pushed, PushProtocol, serialization, togetherMax } from "./PushProtocol.ts"

const answerWithin = Duration.seconds(3)
const openWithin = Duration.seconds(1)
const idleFor = Duration.seconds(60)
/** A gateway that did not answer is not asked again for as long, so that it holds up nobody else's messages. */
const barredMs = 1_000
/** Frames on their way to one gateway; meanwhile the next one fills. One that waits for a history holds up no other. */
const framesMax = 4
/** What a frame has besides its messages, and each of those besides itself. */
const frameOverhead = 4_096
const messageOverhead = 2_048

interface Waiting {
  readonly pushed: Pushed
  readonly size: number
  readonly answer: Deferred.Deferred<number, PushFailed>
}

/** Of one gateway. */
interface Line {
  readonly waiting: Array<Waiting>
  frames: number
}

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

/** As many as fit into one frame; each alone does. */
const nextOf = (waiting: Array<Waiting>) => {
  let count = 0
  for (let size = frameOverhead; count < Math.min(waiting.length, togetherMax); count++) {
    size += waiting[count]!.size
    if (size > frameMax) break
  }
  return waiting.splice(0, count)
}

const failed = ({ gateway_id }: Gateway, why: PushFailed["why"], detail: string) =>
  new PushFailed({ gateway_id, why, detail: detail.slice(0, 256) })

const make = Effect.gen(function*() {
  const clients = yield* RcMap.make({ lookup: connect, idleTimeToLive: idleFor })
  const barred = new Map<string, number>()
  const lines = new Map<string, Line>()
  const run = yield* FiberSet.makeRuntime()

  const ask = (gateway: Gateway, all: ReadonlyArray<Pushed>) =>
    Effect.gen(function*() {
      const client = yield* RcMap.get(clients, gateway.address)
      return yield* client.Push({ gateway_id: gateway.gateway_id, all })
    }).pipe(Effect.scoped, Effect.timeout(answerWithin))

  /** A socket that is half open would go on taking what nobody reads. */
  const bar = ({ address }: Gateway) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      barred.set(address, now + barredMs)
      return RcMap.invalidate(clients, address)
    })

  const sendOne = Effect.fnUntraced(function*(gateway: Gateway, { waiting }: Line) {
    const some = nextOf(waiting)
    const exit = yield* Effect.exit(ask(gateway, some.map(({ pushed }) => pushed)))
    if (Exit.isSuccess(exit)) {
      some.forEach(({ answer }, at) => {
        const said = exit.value[at] ?? failed(gateway, "unreachable", "it said nothing about this one")
        Deferred.doneUnsafe(answer, said instanceof PushFailed ? Exit.fail(said) : Exit.succeed(said.user_count))
      })
      return
    }
    yield* bar(gateway)
    const error = failed(gateway, "unreachable", String(Cause.squash(exit.cause)))
    for (const { answer } of [...some, ...waiting.splice(0)]) Deferred.doneUnsafe(answer, Exit.fail(error))
  })

  const send = (gateway: Gateway, key: string, line: Line) =>
    Effect.gen(function*() {
      // Whoever else has something in this turn puts it into the same frame.
      yield* Effect.yieldNow
      while (line.waiting.length > 0) yield* sendOne(gateway, line)
    }).pipe(Effect.ensuring(Effect.sync(() => {
      line.frames--
      if (line.frames === 0) lines.delete(key)
    })))

  const push = Effect.fnUntraced(function*(gateway: Gateway, message: SessionMessage, trace: TraceContext | null) {
    const now = yield* Clock.currentTimeMillis
    for (const [address, until] of barred) if (until <= now) barred.delete(address)
    if (barred.has(gateway.address)) return yield* failed(gateway, "unreachable", "it did not answer just now")
    const size = JSON.stringify(message).length + messageOverhead
    if (size + frameOverhead > frameMax) return yield* failed(gateway, "refused", "the message fits into no frame")
    const headers = trace === null ? {} : frameHeaders.write(trace, {}) as Pushed["headers"]
    const answer = Deferred.makeUnsafe<number, PushFailed>()
    const key = `${gateway.address} ${gateway.gateway_id}`
    const line = lines.get(key) ?? { waiting: [], frames: 0 }
    lines.set(key, line)
    line.waiting.push({ pushed: { headers, message }, size, answer })
    if (line.frames < framesMax && line.waiting.length === 1) {
      line.frames++
      run(send(gateway, key, line))
    }
    return yield* Deferred.await(answer)
  })

  return Push.of({ push })
})

export const layer = Layer.effect(Push, make)
