/** Where sessions and what was said in them are kept. */
import { Context, type Effect, type Result } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import type { MessageIdReused, SessionUnknown } from "./RealtimeErrors.ts"
import type { ChangeBody, SessionMessage, SessionRef } from "./Session.ts"

export interface Opened {
  readonly last_seq: number
  /** Of the entity that it belongs to, so that whoever comes back late can tell that it has changed. */
  readonly version: number
}

export interface NewChat {
  readonly session_id: EntityId
  readonly from_user: string
  readonly client_id: string
  readonly text: string
  readonly request_id: string | null
}

export interface Sent {
  readonly message: SessionMessage
  /** False: it was known already, and is answered as it was. */
  readonly isNew: boolean
}

export type Said = Result.Result<Sent, SessionUnknown | MessageIdReused>

export interface Page {
  readonly messages: ReadonlyArray<SessionMessage>
  readonly last_seq: number
}

/** What came after `after` and is not kept any more. Numbers have no gap, so it is what is missing before a page. */
export const expiredOf = (after: number, { last_seq, messages }: Page) => {
  const first = messages[0]?.seq ?? last_seq + 1
  return first > after + 1 ? { from_seq: after + 1, to_seq: first - 1 } : undefined
}

export interface RecordedChange extends ChangeBody {
  readonly actor: string
  readonly request_id: string | null
  /** The sessions that would show it: of the entity itself and of its library. */
  readonly sessions: ReadonlyArray<EntityId>
}

export class Sessions extends Context.Service<Sessions, {
  /** Makes the session if there is the entity, and keeps it open for a while. */
  readonly open: (ref: SessionRef) => Effect.Effect<Opened, SessionUnknown | StoreUnavailable>
  /** Gives the messages their numbers, in their order; one answer each. Must run inside `Transaction.run`. */
  readonly append: (chats: ReadonlyArray<NewChat>) => Effect.Effect<ReadonlyArray<Said>, StoreUnavailable>
  /** The same without waiting: `undefined` for those of a session that somebody else holds, or nobody has opened. */
  readonly appendFree: (
    chats: ReadonlyArray<NewChat>
  ) => Effect.Effect<ReadonlyArray<Said | undefined>, StoreUnavailable>
  /** In their order, those after `after`; `limit` at most. */
  readonly history: (
    session: EntityId,
    after: number,
    limit: number
  ) => Effect.Effect<Page, SessionUnknown | StoreUnavailable>
  /** Those of them that are still kept. */
  readonly load: (
    keys: ReadonlyArray<{ readonly session_id: EntityId; readonly seq: number }>
  ) => Effect.Effect<ReadonlyArray<SessionMessage>, StoreUnavailable>
  /**
   * Says each change once in each of its sessions that is open; answers, in their order, what was said of each, now or
   * before. One transaction.
   */
  readonly record: (
    changes: ReadonlyArray<RecordedChange>
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<SessionMessage>>, StoreUnavailable>
}>()("wordloom/realtime/Sessions") {}
