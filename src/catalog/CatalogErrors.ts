/** Why a write or a look-up could not be done; each is the caller's to mend. */
import { Schema } from "effect"
import { EntityId, EntityKind } from "../domain/Entity.ts"

export class EntityNotFound extends Schema.TaggedError<EntityNotFound>("wordloom/catalog/EntityNotFound")(
  "EntityNotFound",
  { kind: EntityKind, id: EntityId }
) {
  override get message() {
    return `there is no ${this.kind} ${this.id}`
  }
}

/** A block names a library or a tag that does not exist. */
export class ReferenceMissing extends Schema.TaggedError<ReferenceMissing>("wordloom/catalog/ReferenceMissing")(
  "ReferenceMissing",
  { field: Schema.String, ids: Schema.Array(Schema.String) }
) {
  override get message() {
    return `${this.field} names nothing that exists: ${this.ids.join(", ")}`
  }
}

export class NameTaken extends Schema.TaggedError<NameTaken>("wordloom/catalog/NameTaken")(
  "NameTaken",
  { kind: EntityKind, name: Schema.String }
) {
  override get message() {
    return `there is already a ${this.kind} named ${JSON.stringify(this.name)}`
  }
}

export class LibraryNotEmpty extends Schema.TaggedError<LibraryNotEmpty>("wordloom/catalog/LibraryNotEmpty")(
  "LibraryNotEmpty",
  { id: EntityId }
) {
  override get message() {
    return `library ${this.id} still has blocks`
  }
}

/** Somebody else changed it since the caller looked (`If-Match`). */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>("wordloom/catalog/VersionMismatch")(
  "VersionMismatch",
  { expected: Schema.Int, actual: Schema.Int }
) {
  override get message() {
    return `expected version ${this.expected}, it is at version ${this.actual}`
  }
}
