/** Which gateways hold members of which sessions. Gateways say it again and again; who falls silent is forgotten. */
import { Context, Duration, type Effect } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"

/** A gateway says where it is and whom it holds this often; three times unheard, it counts as gone. */
export const attendEvery = Duration.seconds(10)
export const goneAfter = Duration.seconds(30)
/** A session goes on noting changes this long after the last word of its last gateway: members that come back soon. */
export const openFor = Duration.seconds(90)

export interface Gateway {
  readonly gateway_id: string
  /** `host:port` where it takes pushes. */
  readonly address: string
}

export interface Head {
  readonly session_id: EntityId
  readonly last_seq: number
}

export class Presence extends Context.Service<Presence, {
  /** The gateway is there and holds members of these, too; answers the numbers that they are at. */
  readonly attend: (
    gateway: Gateway,
    sessions: ReadonlyArray<EntityId>
  ) => Effect.Effect<ReadonlyArray<Head>, StoreUnavailable>
  /** From now on pushes for the session reach the gateway, too. */
  readonly enter: (gateway: Gateway, session: EntityId) => Effect.Effect<void, StoreUnavailable>
  readonly leave: (gatewayId: string, session: EntityId) => Effect.Effect<void, StoreUnavailable>
  readonly retire: (gatewayId: string) => Effect.Effect<void, StoreUnavailable>
  /** For each session in their order, the gateways that hold members of it. */
  readonly whereAre: (
    sessions: ReadonlyArray<EntityId>
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<Gateway>>, StoreUnavailable>
}>()("wordloom/realtime/Presence") {}
