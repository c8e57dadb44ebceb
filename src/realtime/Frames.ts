/** What a client and a gateway say to each other: one JSON object per text frame. */
import { Schema } from "effect"
import type { TraceContext } from "../domain/TraceContext.ts"
import { envelope } from "../telemetry/Carriers.ts"
import type { refusalCodes } from "../telemetry/Metrics.ts"
import { ClientId, formatRef, pageMax, Seq, type SessionMessage, type SessionRef, Text } from "./Session.ts"

/** Bytes of one frame from a client: the longest text, escaped, with its envelope. */
export const frameMax = 64 * 1_024

const Ref = Schema.String.check(Schema.isMaxLength(64))

export const ClientFrame = Schema.Union([
  /** `after`: the last number that the client has seen; what came since is sent at once. */
  Schema.Struct({ type: Schema.tag("join"), session: Ref, after: Schema.optionalKey(Seq) }),
  Schema.Struct({ type: Schema.tag("leave"), session: Ref }),
  Schema.Struct({
    type: Schema.tag("send"),
    session: Ref,
    client_id: ClientId,
    text: Text,
    request_id: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({
    type: Schema.tag("history"),
    session: Ref,
    after: Seq,
    limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageMax })))
  }),
  Schema.Struct({ type: Schema.tag("ping") })
])
export type ClientFrame = typeof ClientFrame.Type

/** Every reason why a frame is not taken; the connection stays open. */
export type ErrorCode = typeof refusalCodes[number]

export interface ErrorFrame {
  readonly type: "error"
  readonly code: ErrorCode
  readonly message: string
  readonly session?: string
  readonly client_id?: string
  readonly trace_id?: string
}

export type ServerFrame =
  | { readonly type: "welcome"; readonly gateway_id: string; readonly user: string; readonly frame_max: number }
  | {
    readonly type: "joined"
    readonly session: string
    /** What is sent begins after this number; higher than `after` where more was missed than is sent by itself. */
    readonly from_seq: number
    readonly last_seq: number
    readonly version: number
  }
  /** These were said, and are not kept any more. */
  | { readonly type: "expired"; readonly session: string; readonly from_seq: number; readonly to_seq: number }
  | { readonly type: "left"; readonly session: string }
  | {
    readonly type: "sent"
    readonly session: string
    readonly client_id: string
    readonly seq: number
    readonly duplicate: boolean
    readonly request_id: string
    readonly trace_id?: string
  }
  | {
    readonly type: "history"
    readonly session: string
    readonly messages: ReadonlyArray<SessionMessage>
    readonly last_seq: number
  }
  | { readonly type: "pong" }
  | ErrorFrame

export const encode = (frame: ServerFrame): string => JSON.stringify(frame)

/** Written once for all members of a session. */
export const encodeMessage = (ref: SessionRef, message: SessionMessage, trace: TraceContext | null): string => {
  const frame = { type: "message", session: formatRef(ref), ...message }
  return JSON.stringify(trace === null ? frame : envelope.write(trace, frame))
}
