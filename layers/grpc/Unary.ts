/** How each of logic's services is asked: a connection that is soon tried again, and calls with a dead line. */
import {
  type ChannelOptions,
  type Client,
  credentials,
  type Metadata,
  type ServiceClientConstructor,
  type ServiceError
} from "@grpc/grpc-js"
import { Effect } from "effect"

/** A logic that was killed is back within seconds. */
const reconnect: ChannelOptions = {
  "grpc.initial_reconnect_backoff_ms": 200,
  "grpc.max_reconnect_backoff_ms": 2_000
}

/** It connects when it is first asked, and again whenever it must. */
export const opened = (Stub: ServiceClientConstructor, address: string, options: ChannelOptions = {}) =>
  Effect.acquireRelease(
    Effect.sync((): Client => new Stub(address, credentials.createInsecure(), { ...reconnect, ...options })),
    (client) => Effect.sync(() => client.close())
  )

export interface Asked {
  /** As the stub has it. */
  readonly method: string
  readonly request: object
  readonly metadata?: Metadata
  readonly withinMs: number
}

type Done = (error: ServiceError | null, reply: never) => void
type Call = { readonly cancel: () => void }
type Unary = (request: object, ...more: ReadonlyArray<Metadata | { readonly deadline: Date } | Done>) => Call

/** Fails with what the wire said, or with what `read` threw; whoever stops waiting cancels the call. */
export const ask = <A>(client: Client, { metadata, method, request, withinMs }: Asked, read: (reply: never) => A) =>
  Effect.callback<A, { readonly refused: ServiceError } | { readonly unreadable: unknown }>((resume) => {
    const unary = (client as unknown as Readonly<Record<string, Unary>>)[method]!.bind(client)
    // The library looks at the same clock; a monotonic one stands still while the machine sleeps.
    const options = { deadline: new Date(Date.now() + withinMs) }
    const done: Done = (error, reply) => {
      if (error !== null) return resume(Effect.fail({ refused: error }))
      try {
        resume(Effect.succeed(read(reply)))
      } catch (unreadable) {
        resume(Effect.fail({ unreadable }))
      }
    }
    const call = metadata === undefined ? unary(request, options, done) : unary(request, metadata, options, done)
    return Effect.sync(() => call.cancel())
  })
