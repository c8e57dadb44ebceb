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

export const toldOf = (error: { readonly _tag: string; readonly message: string }): Told => ({
  code: error instanceof Refused ? error.code as ErrorCode : codes[error._tag] ?? "internal",
  message: error.message
})

/** Ours to mend, not the client's: the spans say so, too. */
export const isOurs = ({ code }: Told) => code === "unavailable" || code === "internal"

/** A member of a frame that could not be read as a whole, for the answer to name what it answers. */
export const textOf = (raw: Readonly<Record<string, unknown>>, member: string) => {
  const value = raw[member]
  return typeof value === "string" ? { [member]: excerpt(value, 128) } : {}
}
