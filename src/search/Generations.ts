/** The builds of the index: one is searched, another may be written beside it. */
import type { Effect } from "effect"
import type { SearchUnavailable } from "./SearchUnavailable.ts"

export interface Generation {
  /** The engine's own name for it. */
  readonly name: string
  /** The one that is searched, and that writes go to unless they say otherwise. */
  readonly live: boolean
  /** It has the form that this version of the product writes. */
  readonly writable: boolean
}

export interface Generations {
  /** The oldest first. */
  readonly list: Effect.Effect<ReadonlyArray<Generation>, SearchUnavailable>
  /** A name that none has had; drawing it makes nothing. */
  readonly next: Effect.Effect<string, SearchUnavailable>
  /** Empty, and neither searched nor live. What is there already stays as it is. */
  readonly create: (name: string) => Effect.Effect<void, SearchUnavailable>
  /**
   * From one search to the next it is the one that is searched and written to, and all that it was given before is
   * found. Nothing is searched twice or not at all meanwhile.
   */
  readonly makeLive: (name: string) => Effect.Effect<void, SearchUnavailable>
  /** Must not be the live one. What is gone already is as good as dropped. */
  readonly drop: (name: string) => Effect.Effect<void, SearchUnavailable>
  /** All that was written to it before is seen by whoever looks into it, when this returns. */
  readonly refresh: (name: string) => Effect.Effect<void, SearchUnavailable>
}
