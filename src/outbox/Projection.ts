/** Whoever must hear of every change has an outbox of its own, so that none holds up another. */
import { Schema } from "effect"

export const Projection = Schema.Literals(["search", "chronicle", "realtime"])
export type Projection = typeof Projection.Type

/** The outboxes that a change goes to. */
export const subscribed: ReadonlyArray<Projection> = ["search", "chronicle"]
