/** The request plane's connection to NATS: sought from the start on, and never waited for by who asks. */
import type { NatsConnection } from "@nats-io/transport-node"
import { Context, Deferred, Effect, Layer, type Redacted, Schedule, Stream } from "effect"
import { BusUnavailable } from "../../src/realtime/RealtimeErrors.ts"
import { connected, unavailable } from "./NatsClient.ts"

/** A NATS that was not there at the start is looked for this often. */
const again = Schedule.spaced("1 second")
/** The start of a program waits for it no longer. */
const atStart = "1 second"

export class PlaneConnection extends Context.Service<PlaneConnection, {
  /** What the subjects begin with. */
  readonly prefix: string
  /** Fails at once while NATS is away. */
  readonly now: Effect.Effect<NatsConnection, BusUnavailable>
  /** Waits until NATS was there once; from then on it stays, and finds NATS again by itself. */
  readonly first: Effect.Effect<NatsConnection>
  readonly wasThere: Effect.Effect<boolean>
  /** Asks NATS itself. */
  readonly check: Effect.Effect<void, BusUnavailable>
}>()("wordloom/nats/PlaneConnection") {}

const away = new BusUnavailable({ detail: "NATS does not answer" })

const make = Effect.fnUntraced(function*(url: Redacted.Redacted, prefix: string) {
  const first = yield* Deferred.make<NatsConnection>()
  let current: NatsConnection | undefined

  const watched = (connection: NatsConnection) =>
    Stream.runForEach(Stream.fromAsyncIterable(connection.status(), unavailable), ({ type }) =>
      Effect.sync(() => {
        if (type === "disconnect" || type === "close") current = undefined
        if (type === "reconnect") current = connection
      }))

  const seek = connected(url).pipe(
    Effect.tapError(({ detail }) => Effect.logWarning("the request plane has no NATS yet", { error: detail })),
    Effect.retry(again)
  )
  yield* Effect.forkScoped(Effect.gen(function*() {
    const connection = yield* seek
    current = connection
    yield* Deferred.succeed(first, connection)
    yield* watched(connection)
  }))

  yield* Effect.timeoutOption(Deferred.await(first), atStart)

  const now = Effect.suspend(() => current === undefined ? Effect.fail(away) : Effect.succeed(current))
  return PlaneConnection.of({
    prefix,
    now,
    first: Deferred.await(first),
    wasThere: Deferred.isDone(first),
    check: Effect.flatMap(now, (connection) => Effect.tryPromise({ try: () => connection.rtt(), catch: unavailable }))
  })
})

export const layer = (url: Redacted.Redacted, prefix: string) => Layer.effect(PlaneConnection, make(url, prefix))
