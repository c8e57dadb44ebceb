/** What a task tells a gateway: Effect RPC on TCP, one JSON object a line, bounded. */
import { Schema } from "effect"
import { Rpc, RpcGroup, RpcSerialization } from "effect/rpc"
import { PushFailed } from "../../src/realtime/RealtimeErrors.ts"
import { SessionMessage } from "../../src/realtime/Session.ts"
import { record } from "../../src/telemetry/Carriers.ts"

/** Messages in one frame: what comes together goes together. */
export const togetherMax = 64

/** Each message has its trace in headers of its own. */
export const Pushed = Schema.Struct({
  headers: Schema.Record(Schema.String, Schema.String),
  message: SessionMessage
})
export type Pushed = typeof Pushed.Type

export class PushProtocol extends RpcGroup.make(
  Rpc.make("Push", {
    payload: { gateway_id: Schema.String, all: Schema.Array(Pushed).check(Schema.isMaxLength(togetherMax)) },
    /** In their order: how many members each was given to, or why it was not. */
    success: Schema.Array(Schema.Union([Schema.Struct({ user_count: Schema.Int }), PushFailed]))
  })
) {}

/** Bytes of one frame: the longest messages that may go together, escaped, with room for their headers. */
export const frameMax = 256 * 1_024

export const serialization = RpcSerialization.layerNdjsonWith({ maxBufferSize: frameMax })

export const frameHeaders = record("tcp")
