/** Where the stages of a search are served: in this process, or by others over a wire. */
import { Context, type Effect } from "effect"
import type { CursorInvalid, Page } from "../domain/Paging.ts"
import type { Found, SearchHit } from "../search/SearchIndex.ts"
import type { SearchUnavailable } from "../search/SearchUnavailable.ts"
import type { Hydrate, Recall, StageFailed } from "./Payloads.ts"

export type Wire = "inproc" | "http" | "tcp" | "nats"

export class RequestPlane extends Context.Service<RequestPlane, {
  readonly wire: Wire
  readonly recall: (
    wanted: typeof Recall.Type
  ) => Effect.Effect<Page<Found>, SearchUnavailable | CursorInvalid | StageFailed>
  readonly hydrate: (
    wanted: typeof Hydrate.Type
  ) => Effect.Effect<ReadonlyArray<SearchHit>, SearchUnavailable | StageFailed>
}>()("wordloom/plane/RequestPlane") {}
