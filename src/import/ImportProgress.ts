/** How far each file has been imported: kept with the blocks, so that neither is ever ahead of the other. */
import { Context, type DateTime, type Effect, Schema, type Scope } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import type { Standing } from "./ImportBatch.ts"

/** What is remembered of a file. Its content names it, so a copy is the same import and a changed file another. */
export interface ImportRecord {
  readonly sha256: string
  /** The library of the lines that name none. */
  readonly library: string
  readonly standing: Standing
  /** `null` while lines are left. */
  readonly finishedAt: DateTime.Utc | null
}

/** The same file is being imported by another process now. */
export class ImportRunning extends Schema.TaggedError<ImportRunning>("wordloom/import/ImportRunning")("ImportRunning", {
  sha256: Schema.String
}) {
  override get message() {
    return "this file is being imported already, by another process"
  }
}

/** The import is not where this process left it: another one went on with it. Nothing of this batch was written. */
export class ImportMoved extends Schema.TaggedError<ImportMoved>("wordloom/import/ImportMoved")("ImportMoved", {
  sha256: Schema.String
}) {
  override get message() {
    return "another process went on with this import"
  }
}

/** The store would not take a value that was written to it; nothing of its transaction remains. */
export class ValueRefused extends Schema.TaggedError<ValueRefused>("wordloom/import/ValueRefused")("ValueRefused", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export class ImportProgress extends Context.Service<ImportProgress, {
  /** Until the scope closes, or this process dies, no other process holds the same file. */
  readonly hold: (sha256: string) => Effect.Effect<void, ImportRunning | StoreUnavailable, Scope.Scope>
  /** Waits for a commit that is under way. */
  readonly find: (sha256: string) => Effect.Effect<ImportRecord | undefined, StoreUnavailable>
  /** From the first line; what was remembered of an earlier import of the file is replaced. */
  readonly begin: (sha256: string, library: string) => Effect.Effect<ImportRecord, StoreUnavailable>
  /** Must run inside `Transaction.run`, with the blocks that lie between the two. */
  readonly advance: (
    sha256: string,
    from: Standing,
    to: Standing
  ) => Effect.Effect<void, ImportMoved | StoreUnavailable>
  readonly finish: (sha256: string) => Effect.Effect<void, StoreUnavailable>
  /** The oldest library of that name. Inside `Transaction.run`: no other import makes one of this name meanwhile. */
  readonly libraryNamed: (name: string) => Effect.Effect<EntityId | undefined, StoreUnavailable>
  /**
   * What a transaction died of, as far as it is the store's doing. A rule of the store that the product does not know
   * of is a defect to everyone else, and so is a connection that breaks between a write and its end.
   */
  readonly explained: (defect: unknown) => Effect.Effect<never, ValueRefused | StoreUnavailable>
}>()("wordloom/import/ImportProgress") {}
