/** The connection to NATS, and the streams that the bus is made of. */
import {
  AckPolicy,
  DiscardPolicy,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  jetstreamManager,
  RetentionPolicy,
  StorageType
} from "@nats-io/jetstream"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { Context, Duration, Effect, Layer, Redacted } from "effect"
import { BusUnavailable } from "../../src/realtime/RealtimeErrors.ts"

export interface Names {
  readonly stream: string
  readonly dead: string
  readonly consumer: string
  /** Subjects begin with it; a session's is one below. */
  readonly subject: string
  /** What is taken and not settled by then comes again. */
  readonly ackWait: Duration.Duration
}

/** Of one installation: several share a NATS by having a prefix each. */
export const namesOf = (prefix: string): Names => ({
  stream: `${prefix.toUpperCase()}_REALTIME`,
  dead: `${prefix.toUpperCase()}_REALTIME_DEAD`,
  consumer: "task",
  subject: `${prefix}.realtime`,
  ackWait: Duration.seconds(30)
})

export const names = namesOf("wordloom")

/** A replay within this time is not carried twice. */
const duplicateWindow = Duration.minutes(2)
const maxAge = Duration.hours(24)
const maxBytes = 512 * 1_024 * 1_024
const deadMaxBytes = 64 * 1_024 * 1_024
/** What is taken and not settled yet, over all consumers. */
const ackPendingMax = 4_096
const answerMs = 5_000

const nanos = (duration: Duration.Duration) => Duration.toMillis(duration) * 1e6

export const unavailable = (cause: unknown) =>
  new BusUnavailable({ detail: `NATS: ${cause instanceof Error ? cause.message : String(cause)}`.slice(0, 256) })

const asked = <A>(question: () => Promise<A>) => Effect.tryPromise({ try: question, catch: unavailable })

const isUnknown = (error: unknown) =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound

/** Idempotent: what is there with other limits gets these. Says whether something was missing. */
const ensure = Effect.fnUntraced(function*(connection: NatsConnection, wanted: Names) {
  const { ackWait, consumer, dead, stream, subject } = wanted
  const manager = yield* asked(() => jetstreamManager(connection, { timeout: answerMs }))
  const common = { storage: StorageType.File, retention: RetentionPolicy.Limits, discard: DiscardPolicy.Old }
  const streams = [
    {
      ...common,
      name: stream,
      subjects: [`${subject}.*`],
      max_bytes: maxBytes,
      max_age: nanos(maxAge),
      duplicate_window: nanos(duplicateWindow)
    },
    { ...common, name: dead, subjects: [`${subject}.dead.*`], max_bytes: deadMaxBytes, max_age: nanos(maxAge) * 14 }
  ]
  let made = false
  for (const config of streams) {
    const known = yield* asked(() =>
      manager.streams.info(config.name).then(() => true, (error: unknown) => {
        if (isUnknown(error)) return false
        throw error
      })
    )
    yield* asked(() => known ? manager.streams.update(config.name, config) : manager.streams.add(config))
    made ||= !known
  }
  yield* asked(() =>
    manager.consumers.add(stream, {
      durable_name: consumer,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ackWait),
      // The task buries what fails too often; the server only repeats.
      max_deliver: -1,
      max_ack_pending: ackPendingMax
    })
  )
  return made
})

export class NatsClient extends Context.Service<NatsClient, {
  readonly connection: NatsConnection
  readonly stream: JetStreamClient
  readonly names: Names
  /** Makes what is missing, and says whether there was something. */
  readonly ensure: Effect.Effect<boolean, BusUnavailable>
}>()("wordloom/nats/NatsClient") {}

const serversOf = (url: string) => url.split(",").map((one) => new URL(one.trim()))

const optionsOf = (url: Redacted.Redacted) => {
  const servers = serversOf(Redacted.value(url))
  const [{ password, protocol, username }] = servers as [URL]
  return {
    servers: servers.map(({ host }) => host),
    ...(username === "" ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(protocol === "tls:" ? { tls: {} } : {}),
    name: "wordloom",
    // A server that is away is waited for; what is asked meanwhile is refused after its own time.
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    reconnectJitter: 100,
    timeout: answerMs,
    // A stack for each message, in case that it fails, costs more than the message.
    noAsyncTraces: true,
    pingInterval: 10_000,
    maxPingOut: 2
  }
}

/** Fails where NATS cannot be reached now; once it was, it is waited for. */
export const connected = (url: Redacted.Redacted) =>
  Effect.acquireRelease(
    Effect.tryPromise({ try: () => connect(optionsOf(url)), catch: unavailable }),
    (opened) =>
      Effect.promise(() => opened.drain().catch(() => opened.close())).pipe(
        Effect.interruptible,
        Effect.timeoutOption("2 seconds"),
        Effect.andThen(Effect.promise(() => opened.close().catch(() => {})))
      )
  )

export const layer = (url: Redacted.Redacted, wanted: Names = names) =>
  Layer.effect(
    NatsClient,
    Effect.gen(function*() {
      const connection = yield* connected(url)
      return NatsClient.of({
        connection,
        stream: jetstream(connection, { timeout: answerMs }),
        names: wanted,
        ensure: ensure(connection, wanted)
      })
    })
  )
