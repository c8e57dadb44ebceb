/** Messages of a session for tests. */
import { EntityId } from "../../src/domain/Entity.ts"
import type { SessionMessage } from "../../src/realtime/Session.ts"

export const session_id = EntityId.make("0198f2a0-0000-7000-8000-000000000001")

export const chatOf = (seq: number, said: { readonly session_id?: EntityId; readonly text?: string } = {}) =>
  ({
    session_id: said.session_id ?? session_id,
    seq,
    kind: "chat",
    from_user: "ann",
    client_id: `c-${seq}`,
    body: { text: said.text ?? "hello" },
    at: "2026-03-04T05:06:07.089Z",
    request_id: `r-${seq}`
  }) satisfies SessionMessage
