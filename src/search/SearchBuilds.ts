/** How far a further generation of the index has come: kept in the database, where every writer looks. */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import type { Target } from "./SearchIndex.ts"

/**
 * - `building`: `generation` is being filled beside `previous`, the live one.
 * - `swapping`: `generation` takes the place of `previous`; which of them is live only the index knows.
 * - `kept`: `generation` is live, and `previous` ready to take its place again.
 * - `dropping`: `generation` goes, and nothing is written to it any more.
 */
export const Phase = Schema.Literals(["building", "swapping", "kept", "dropping"])
export type Phase = typeof Phase.Type

export interface Build {
  /** `SearchIndex.name`: there is at most one build of each index. */
  readonly index: string
  readonly phase: Phase
  readonly generation: string
  readonly previous: string
  /** `previous` takes what this version of the product writes. */
  readonly follows: boolean
  /** All entities up to this one have been written to `generation`; `null` before the first. */
  readonly cursor: EntityId | null
  /** How many those were. */
  readonly written: number
}

/** An entity that a generation missed a write of; `times` tells a later miss from this one. */
export interface Miss {
  readonly id: EntityId
  readonly times: number
}

/** Somebody else is at work on the generations of this index. */
export class BuildRunning extends Schema.TaggedError<BuildRunning>("wordloom/search/BuildRunning")("BuildRunning", {
  index: Schema.String
}) {
  override get message() {
    return "another process is at work on the search index: only one can rebuild it, swap it or drop a part of it"
  }
}

/** The build is not where this process left it: another one went on with it. Nothing was changed. */
export class BuildMoved extends Schema.TaggedError<BuildMoved>("wordloom/search/BuildMoved")("BuildMoved", {
  index: Schema.String
}) {
  override get message() {
    return "another process went on with this build of the search index"
  }
}

export class SearchBuilds extends Context.Service<SearchBuilds, {
  /** Until the scope closes, or this process dies, no other process holds the same index. */
  readonly hold: (index: string) => Effect.Effect<void, BuildRunning | StoreUnavailable, Scope.Scope>
  /** One look at one row: every batch that is delivered begins with it. */
  readonly find: (index: string) => Effect.Effect<Build | undefined, StoreUnavailable>
  /** Refused where there is a build of this index. */
  readonly begin: (
    build: Pick<Build, "index" | "generation" | "previous" | "follows">
  ) => Effect.Effect<Build, BuildMoved | StoreUnavailable>
  /** Answers `to`; refused unless the build is as `from` says. */
  readonly change: (from: Build, to: Build) => Effect.Effect<Build, BuildMoved | StoreUnavailable>
  /** There is no build any more, nor anything that it missed. Refused as `change` is. */
  readonly end: (build: Build) => Effect.Effect<void, BuildMoved | StoreUnavailable>
  /** Notes what a generation missed, as long as the build concerns it. At most one note for each entity. */
  readonly missed: (
    build: Build,
    generation: string,
    ids: ReadonlyArray<EntityId>
  ) => Effect.Effect<void, StoreUnavailable>
  /** What a generation still misses, at most `limit`. */
  readonly owed: (
    build: Build,
    generation: string,
    limit: number
  ) => Effect.Effect<ReadonlyArray<Miss>, StoreUnavailable>
  /** Takes back the notes, but for those of entities that were missed again meanwhile. */
  readonly paid: (
    build: Build,
    generation: string,
    misses: ReadonlyArray<Miss>
  ) => Effect.Effect<void, StoreUnavailable>
}>()("wordloom/search/SearchBuilds") {}

/** Where a write goes: to the live generation alone, there and to a second one, or to two in their order. */
export type Targets =
  | { readonly _tag: "Live" }
  | { readonly _tag: "Beside"; readonly generation: string }
  | { readonly _tag: "InOrder"; readonly first: Target; readonly second: Target }

/**
 * A second generation is never behind the live one, so that a swap is a matter of a moment. While it takes place a
 * write is found in the one to come before it is in the one that goes: no search finds less than an earlier one.
 *
 * What does not take our writes is left alone: its rows wait in the outbox for the generation that will.
 */
export const targetsOf = (build: Build | undefined): Targets => {
  if (build === undefined || !build.follows || build.phase === "dropping") return { _tag: "Live" }
  const { generation, phase, previous } = build
  return phase === "swapping"
    ? { _tag: "InOrder", first: { generation, visible: true }, second: { generation: previous } }
    : { _tag: "Beside", generation: phase === "building" ? generation : previous }
}
