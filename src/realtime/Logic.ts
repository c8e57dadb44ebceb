/** Decides about messages: who may say what where, and what its number is. Gateways ask it, over a wire or not. */
import { Context, Effect, Layer } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import { type Gateway, type Head, Presence } from "./Presence.ts"
import { LogicUnavailable, type MessageIdReused, type MessageInvalid, type SessionUnknown } from "./RealtimeErrors.ts"
import * as Saying from "./Saying.ts"
import { pageMax, type SessionRef } from "./Session.ts"
import { type NewChat, type Opened, type Page, type Sent, Sessions } from "./Sessions.ts"

export class Logic extends Context.Service<Logic, {
  /** The message and its outbox row in one transaction; said twice under one client id, it is said once. */
  readonly sendMessage: (
    chat: NewChat
  ) => Effect.Effect<Sent, SessionUnknown | MessageIdReused | MessageInvalid | LogicUnavailable>
  readonly history: (
    session: EntityId,
    after: number,
    limit: number
  ) => Effect.Effect<Page, SessionUnknown | MessageInvalid | LogicUnavailable>
  /** Opens the session; what is said from now on is pushed to the gateway. */
  readonly join: (
    ref: SessionRef,
    gateway: Gateway
  ) => Effect.Effect<Opened, SessionUnknown | MessageInvalid | LogicUnavailable>
  readonly leave: (gatewayId: string, session: EntityId) => Effect.Effect<void, MessageInvalid | LogicUnavailable>
  readonly attend: (
    gateway: Gateway,
    sessions: ReadonlyArray<EntityId>
  ) => Effect.Effect<ReadonlyArray<Head>, MessageInvalid | LogicUnavailable>
  readonly retire: (gatewayId: string) => Effect.Effect<void, MessageInvalid | LogicUnavailable>
}>()("wordloom/realtime/Logic") {}

const orLater = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (error): Exclude<E, StoreUnavailable> | LogicUnavailable =>
    error instanceof StoreUnavailable
      ? new LogicUnavailable({ detail: error.message })
      : error as Exclude<E, StoreUnavailable>)

/** Where the database is at hand. The spans are those of the one who answers. */
export const layer = Layer.effect(
  Logic,
  Effect.gen(function*() {
    const sessions = yield* Sessions
    const presence = yield* Presence
    const sendMessage = yield* Saying.make

    return Logic.of({
      sendMessage: (chat) => orLater(sendMessage(chat)),
      history: (session, after, limit) => orLater(sessions.history(session, after, Math.min(limit, pageMax))),
      // Who enters before the session's number is looked up misses nothing that is said after it.
      join: (ref, gateway) => orLater(Effect.andThen(presence.enter(gateway, ref.id), sessions.open(ref))),
      leave: (gatewayId, session) => orLater(presence.leave(gatewayId, session)),
      attend: (gateway, sessions) => orLater(presence.attend(gateway, sessions)),
      retire: (gatewayId) => orLater(presence.retire(gatewayId))
    })
  })
)
