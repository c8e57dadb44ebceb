/**
 * Carries what was said from whoever relays it to whoever pushes it: at least once, and after a failure again.
 *
 * It may lose everything; PostgreSQL has it all, and numbers make doubles and gaps harmless.
 */
import { Context, type Effect, type Result, Schema } from "effect"
import type { TraceContext } from "../domain/TraceContext.ts"
import type { BusUnavailable } from "./RealtimeErrors.ts"
import { SessionMessage } from "./Session.ts"

/** The one topic, as spans and metrics show it; a subject below it is a session's. */
export const topic = "wordloom.realtime"

/** What a message is on the wire: what was said, and the trace in a field of its own beside the headers. */
export const Envelope = Schema.Struct({
  message: SessionMessage,
  TraceParent: Schema.optionalKey(Schema.String)
})
export type Envelope = typeof Envelope.Type

export interface Published {
  readonly message: SessionMessage
  readonly trace: TraceContext | null
}

/** Of a message, whoever publishes it and however often. */
export const messageId = ({ seq, session_id }: { readonly session_id: string; readonly seq: number }) =>
  `${session_id}:${seq}`

/** The trace as it came, not yet believed. */
export interface CarriedTrace {
  readonly headers: Readonly<Record<string, ReadonlyArray<string>>>
  readonly field: string | undefined
}

export interface Received {
  /** `undefined`: it could not be read. */
  readonly message: SessionMessage | undefined
  readonly trace: CarriedTrace
  /** 1 for the first time. */
  readonly attempt: number
  readonly done: Effect.Effect<void, BusUnavailable>
  readonly again: (delayMs: number) => Effect.Effect<void, BusUnavailable>
  /** Put aside with the reason, for a person to look at; it does not come again. */
  readonly bury: (reason: string) => Effect.Effect<void, BusUnavailable>
}

export class MessageBus extends Context.Service<MessageBus, {
  /** In their order, one result each. A message that is known from the last minutes is not carried twice. */
  readonly publish: (
    all: ReadonlyArray<Published>
  ) => Effect.Effect<ReadonlyArray<Result.Result<void, BusUnavailable>>>
  /** Waits for at least one; answers at most `max`. What is neither done nor put off comes again after a while. */
  readonly take: (max: number) => Effect.Effect<ReadonlyArray<Received>, BusUnavailable>
  /** What `bury` put aside, the newest last. */
  readonly buried: Effect.Effect<
    ReadonlyArray<{ readonly reason: string; readonly message: SessionMessage | undefined }>,
    BusUnavailable
  >
}>()("wordloom/realtime/MessageBus") {}
