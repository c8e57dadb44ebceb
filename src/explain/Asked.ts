/** What may be asked for, and how it is written. */
import type { EntityId, EntityKind } from "../domain/Entity.ts"
import type { Projection } from "../outbox/Projection.ts"

export type Asked =
  | { readonly by: EntityKind; readonly id: EntityId }
  | { readonly by: "event"; readonly projection: Projection; readonly id: number }
  | { readonly by: "request_id" | "trace_id"; readonly value: string }

/** A row's projection and id. */
export const eventKey = /^(search|chronicle|realtime)\/([1-9]\d{0,14})$/

/** A request id as the edge takes it. */
export const requestIdShape = /^[A-Za-z0-9._-]{1,64}$/
export const traceIdShape = /^[0-9a-f]{32}$/

export const eventOf = (text: string): Asked | undefined => {
  const [, projection, id] = eventKey.exec(text) ?? []
  return projection === undefined ? undefined : { by: "event", projection: projection as Projection, id: Number(id) }
}
