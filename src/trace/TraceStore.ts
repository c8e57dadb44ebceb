/** Where traces are kept: Jaeger, Tempo. Asked, never written to. */
import { Context, type Effect, Schema } from "effect"
import type { Trace } from "./Trace.ts"

/** The trace as it is read here, and as the store told it: what a snapshot keeps as evidence. */
export interface Stored {
  readonly trace: Trace
  readonly document: unknown
}

export interface Wanted {
  readonly service: string
  readonly operation: string
  /** Milliseconds since 1970, both. */
  readonly from: number
  readonly to: number
  readonly limit: number
}

/** It did not answer, or not as a trace store does; `hint` is what to look at. */
export class TraceStoreUnavailable extends Schema.TaggedError<TraceStoreUnavailable>(
  "wordloom/trace/TraceStoreUnavailable"
)("TraceStoreUnavailable", { store: Schema.String, url: Schema.String, reason: Schema.String, hint: Schema.String }) {
  override get message() {
    return `${this.store} at ${this.url}: ${this.reason}${this.hint === "" ? "" : `; ${this.hint}`}`
  }
}

export class TraceStore extends Context.Service<TraceStore, {
  readonly store: string
  /** The newest traces that hold such a span, newest first, each whole. */
  readonly find: (wanted: Wanted) => Effect.Effect<ReadonlyArray<Stored>, TraceStoreUnavailable>
  /** `undefined` when the store does not know it. */
  readonly get: (traceId: string) => Effect.Effect<Stored | undefined, TraceStoreUnavailable>
}>()("wordloom/trace/TraceStore") {}
