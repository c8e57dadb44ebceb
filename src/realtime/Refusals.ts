/** What a client is told when something is not done for it. */
import { Schema } from "effect"
import { excerpt } from "../domain/Text.ts"
import type { ErrorCode } from "./Frames.ts"

/** A frame that is refused: the client hears why, and the connection stays. */
export class Refused extends Schema.TaggedError<Refused>("wordloom/realtime/Refused")("Refused", {
  code: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export const refused = (code: ErrorCode, detail: string) => new Refused({ code, detail })

export interface Told {
  readonly code: ErrorCode
  readonly message: string
}

const codes: Readonly<Record<string, ErrorCode>> = {
  SessionUnknown: "session_unknown",
  MessageIdReused: "client_id_reused",
  MessageInvalid: "frame_invalid",
  LogicUnavailable: "unavailable"
}

/** Where logic is, and what broke there, is no client's business: the log and the trace tell it. */
const ours: Readonly<Partial<Record<ErrorCode, string>>> = {
  unavailable: "this cannot be done just now; the same may be asked again",
  internal: "an unexpected error"
}

export const toldOf = (error: { readonly _tag: string; readonly message: string }): Told => {
  const code = error instanceof Refused ? error.code as ErrorCode : codes[error._tag] ?? "internal"
  return { code, message: ours[code] ?? error.message }
}

export const broken: Told = { code: "internal", message: ours.internal! }

/** Ours to mend, not the client's: the spans and the log say so, too. */
export const isOurs = ({ code }: Told) => ours[code] !== undefined

/** A member of a frame that could not be read as a whole, for the answer to name what it answers. */
export const textOf = (raw: Readonly<Record<string, unknown>>, member: string) => {
  const value = raw[member]
  return typeof value === "string" ? { [member]: excerpt(value, 128) } : {}
}
