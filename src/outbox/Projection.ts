/** Whoever must hear of every change has an outbox of its own, so that none holds up another. */
import { Schema } from "effect"

export const Projection = Schema.Literals(["search", "chronicle", "realtime"])
export type Projection = typeof Projection.Type

/** The outboxes that a change goes to. */
export const subscribed: ReadonlyArray<Projection> = ["search", "chronicle"]

/**
 * Whether the rows of one entity are told strictly in their order: a row that must be tried again then holds back the
 * later ones of its entity, and of no other. A search index needs no order, because it refuses older versions.
 */
export const isOrdered: Readonly<Record<Projection, boolean>> = { search: false, chronicle: true, realtime: true }
