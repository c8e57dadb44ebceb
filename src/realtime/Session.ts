/** What is said in a session, and how sessions are named: each belongs to a tag, a library or a block. */
import { Schema } from "effect"
import { FieldChange, Operation } from "../domain/Change.ts"
import { EntityId, EntityKind, Version } from "../domain/Entity.ts"
import { storable } from "../domain/Text.ts"

const textMax = 8_000
/** Messages that one answer may hold. */
export const pageMax = 100

/** Who says something, as long as nobody has to prove it. */
export const User = Schema.String.check(
  Schema.isPattern(/^[\w.@-]{1,64}$/, { message: "must be 1 to 64 letters, digits, '_', '.', '@', '-'" })
)

/** The sender's own name for a message: said twice, it is the same message. */
export const ClientId = Schema.String.check(
  Schema.isPattern(/^[\w.:/@-]{1,128}$/, { message: "must be 1 to 128 letters, digits, '_', '.', ':', '/', '@', '-'" })
)

export const Text = Schema.String.check(Schema.isBetweenLength(1, textMax), storable)

export const Seq = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2_147_483_647 }))

const ChatBody = Schema.Struct({ text: Text })

/** A committed change of an entity that the session shows; whoever needs the whole asks the API for that version. */
export const ChangeBody = Schema.Struct({
  entity_type: EntityKind,
  entity_id: EntityId,
  version: Version,
  op: Operation,
  changes: Schema.Array(FieldChange)
})
export type ChangeBody = typeof ChangeBody.Type

const said = {
  session_id: EntityId,
  /** 1 for the first; there is no gap. */
  seq: Seq,
  from_user: Schema.String,
  client_id: Schema.String,
  /** RFC 3339. */
  at: Schema.String,
  request_id: Schema.NullOr(Schema.String)
}

export const SessionMessage = Schema.Union([
  Schema.Struct({ ...said, kind: Schema.tag("chat"), body: ChatBody }),
  Schema.Struct({ ...said, kind: Schema.tag("change"), body: ChangeBody })
])
export type SessionMessage = typeof SessionMessage.Type

export interface SessionRef {
  readonly kind: EntityKind
  readonly id: EntityId
}

const ref = /^(tag|library|block)\/([0-9a-fA-F-]{36})$/
const decodeId = Schema.decodeUnknownOption(EntityId)

/**
 * A session as clients name it.
 *
 * ```ts
 * parseRef("block/0198f2a0-0000-7000-8000-000000000001")
 * // => { kind: "block", id: "0198f2a0-0000-7000-8000-000000000001" }
 * ```
 */
export const parseRef = (text: string): SessionRef | undefined => {
  const [, kind, id = ""] = ref.exec(text) ?? []
  const decoded = decodeId(id)
  return kind === undefined || decoded._tag === "None" ? undefined : { kind: kind as EntityKind, id: decoded.value }
}

export const formatRef = ({ id, kind }: SessionRef) => `${kind}/${id}`
