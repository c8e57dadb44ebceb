/** What the API answers, as a page sees it: times are text. */
import type { DateTime } from "effect"
import type { ChronicleEntry } from "../../../src/chronicle/Chronicle.ts"
import type { Explanation as Explained } from "../../../src/explain/Explanation.ts"
import type { Overview as OverviewSeen } from "../../../src/outbox/OutboxOverview.ts"
import type { DeadGroup as DeadGroupSeen, OutboxEvent as EventSeen } from "../../../src/outbox/OutboxReport.ts"
import type { SearchHit } from "../../../src/search/SearchIndex.ts"

/** A value after its way through JSON. */
export type Json<T> = T extends string ? string
  : T extends DateTime.Utc ? string
  : T extends ReadonlyArray<infer U> ? ReadonlyArray<Json<U>>
  : T extends object ? { readonly [K in keyof T]: Json<T[K]> }
  : T

export type Overview = Json<OverviewSeen>
export type Glance = Overview["projections"][number]
export type Worker = Overview["workers"][number]
export type OutboxEvent = Json<EventSeen>
export type DeadGroup = Json<DeadGroupSeen>
export type Entry = Json<ChronicleEntry>
export type Hit = Json<SearchHit>
export type Explanation = Json<Explained>
export type Change = Explanation["changes"][number]
export type Delivery = Change["deliveries"][number]
export type Segment = Delivery["timeline"][number]
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next_cursor: string | null
}

/** One page of the console, for as long as it is shown. */
export interface Shown {
  readonly title: string
  readonly view: () => unknown
  /** It has nothing to show yet. */
  readonly isEmpty?: () => boolean
  readonly stop?: () => void
}

/** Begins a page: `redraw` is called whenever what `view` shows has changed. */
export type Begin = (params: URLSearchParams, redraw: () => void) => Shown
