/** What a task tells a gateway: Effect RPC on TCP, one JSON object a line, bounded. */
import { Schema } from "effect"
import { Rpc, RpcGroup, RpcSerialization } from "effect/rpc"
import { PushFailed } from "../../src/realtime/RealtimeErrors.ts"
import { SessionMessage } from "../../src/realtime/Session.ts"
import { record } from "../../src/telemetry/Carriers.ts"

/** Trace and request id travel in the headers of the frame. */
export class PushProtocol extends RpcGroup.make(
  Rpc.make("Push", {
    payload: { gateway_id: Schema.String, message: SessionMessage },
    success: Schema.Struct({ user_count: Schema.Int }),
    error: PushFailed
  })
) {}

/** Bytes of one frame: the longest message, escaped, with room for its headers. */
const frameMax = 256 * 1_024

export const serialization = RpcSerialization.layerNdjsonWith({ maxBufferSize: frameMax })

export const frameHeaders = record("tcp")
