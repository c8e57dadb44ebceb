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
  /** Of one of the service's spans; with any when not given. */
  readonly operation?: string | undefined
  /** Only traces in which a span of the service carries this text, or took longer than this. */
  readonly carries?: { readonly key: string; readonly text: string }
  readonly longerThanMs?: number
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
  /** Whose spans it has. */
  readonly services: Effect.Effect<ReadonlyArray<string>, TraceStoreUnavailable>
  /** The newest traces that hold such a span, newest first, each whole. */
  readonly find: (wanted: Wanted) => Effect.Effect<ReadonlyArray<Stored>, TraceStoreUnavailable>
  /** `undefined` when the store does not know it. */
  readonly get: (traceId: string) => Effect.Effect<Stored | undefined, TraceStoreUnavailable>
}>()("wordloom/trace/TraceStore") {}
