/** Whoever must hear of a change. Hearing it twice must leave the same result as hearing it once. */
import { Context, type Effect } from "effect"
import type { Delivery } from "../outbox/Leases.ts"
import type { EngineCall } from "./EngineCall.ts"
import type { Failure } from "./Failure.ts"
import type { Outcome } from "./Settlement.ts"

export interface Delivered {
  /** By row id; every row of the batch has one. */
  readonly outcomes: ReadonlyMap<number, Outcome>
  readonly calls: ReadonlyArray<EngineCall>
  /** The far side refused or missed a request as a whole, which says nothing about the rows in it. */
  readonly refused?: Failure | undefined
}

export class Destination extends Context.Service<Destination, {
  /** Never fails: what went wrong is each row's outcome. */
  readonly deliver: (deliveries: ReadonlyArray<Delivery>) => Effect.Effect<Delivered>
}>()("wordloom/delivery/Destination") {}
