/** Which problem each of the product's errors is to an HTTP caller. */
import { Effect } from "effect"
import {
  badField,
  type BadRequest,
  Conflict,
  NotFound,
  PreconditionFailed,
  Unavailable
} from "../../src/api/Problems.ts"
import type {
  EntityNotFound,
  LibraryNotEmpty,
  NameTaken,
  ReferenceMissing,
  VersionMismatch
} from "../../src/catalog/CatalogErrors.ts"
import type { CursorInvalid } from "../../src/domain/Paging.ts"
import type { KeyReused } from "../../src/idempotency/Idempotency.ts"
import type { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import type { StageFailed } from "../../src/plane/Payloads.ts"
import type { SearchUnavailable } from "../../src/search/SearchIndex.ts"

interface ProblemByTag {
  readonly EntityNotFound: NotFound
  readonly ReferenceMissing: NotFound
  readonly NameTaken: Conflict
  readonly LibraryNotEmpty: Conflict
  readonly KeyReused: Conflict
  readonly VersionMismatch: PreconditionFailed
  readonly CursorInvalid: BadRequest
  readonly StoreUnavailable: Unavailable
  readonly SearchUnavailable: Unavailable
  readonly StageFailed: Unavailable
  readonly BadRequest: BadRequest
  readonly NotFound: NotFound
}

type Refusal =
  | EntityNotFound
  | ReferenceMissing
  | NameTaken
  | LibraryNotEmpty
  | KeyReused
  | VersionMismatch
  | CursorInvalid
  | StoreUnavailable
  | SearchUnavailable
  | StageFailed
  | BadRequest
  | NotFound

const problem = (error: Refusal) => {
  switch (error._tag) {
    case "EntityNotFound":
    case "ReferenceMissing":
      return new NotFound({ detail: error.message })
    case "NameTaken":
    case "LibraryNotEmpty":
    case "KeyReused":
      return new Conflict({ detail: error.message })
    case "VersionMismatch":
      return new PreconditionFailed({ detail: error.message })
    case "CursorInvalid":
      return badField("cursor", error.message)
    case "StoreUnavailable":
    case "SearchUnavailable":
    case "StageFailed":
      return new Unavailable({ detail: error.message })
    case "BadRequest":
    case "NotFound":
      return error
  }
}

export const orProblem = <A, E extends Refusal, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, ProblemByTag[E["_tag"]], R> =>
  Effect.mapError(effect, (error) => problem(error) as ProblemByTag[E["_tag"]])
