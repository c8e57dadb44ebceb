/** From whoever consumes the bus to the gateway that holds the members. */
import { Context, type Effect } from "effect"
import type { TraceContext } from "../domain/TraceContext.ts"
import type { Gateway } from "./Presence.ts"
import type { PushFailed } from "./RealtimeErrors.ts"
import type { SessionMessage } from "./Session.ts"

export class Push extends Context.Service<Push, {
  /** How many members the gateway has given it to, or had given it to before. */
  readonly push: (
    gateway: Gateway,
    message: SessionMessage,
    trace: TraceContext | null
  ) => Effect.Effect<number, PushFailed>
}>()("wordloom/realtime/Push") {}
