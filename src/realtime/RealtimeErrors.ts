/** What can go wrong between a client and the others in its session; each has its own word on every wire. */
import { Schema } from "effect"

/** Nobody has opened it, or there is nothing that it could belong to. */
export class SessionUnknown extends Schema.TaggedError<SessionUnknown>("wordloom/realtime/SessionUnknown")(
  "SessionUnknown",
  { session: Schema.String }
) {
  override get message() {
    return `there is no session ${this.session}`
  }
}

/** The same client id came with another text. */
export class MessageIdReused extends Schema.TaggedError<MessageIdReused>("wordloom/realtime/MessageIdReused")(
  "MessageIdReused",
  { client_id: Schema.String }
) {
  override get message() {
    return `client_id ${this.client_id} was used for another message`
  }
}

export class MessageInvalid extends Schema.TaggedError<MessageInvalid>("wordloom/realtime/MessageInvalid")(
  "MessageInvalid",
  { detail: Schema.String }
) {
  override get message() {
    return this.detail
  }
}

/** Whoever decides about messages did not answer, or could not ask the database: the same may be said again later. */
export class LogicUnavailable extends Schema.TaggedError<LogicUnavailable>("wordloom/realtime/LogicUnavailable")(
  "LogicUnavailable",
  { detail: Schema.String }
) {
  override get message() {
    return this.detail
  }
}

export class BusUnavailable extends Schema.TaggedError<BusUnavailable>("wordloom/realtime/BusUnavailable")(
  "BusUnavailable",
  { detail: Schema.String }
) {
  override get message() {
    return this.detail
  }
}

/** A gateway could not be told; its clients make up for it from the history when they are back. */
export class PushFailed extends Schema.TaggedError<PushFailed>("wordloom/realtime/PushFailed")("PushFailed", {
  gateway_id: Schema.String,
  /** `draining`: it takes nobody and nothing any more; `unreachable`: it did not answer; `refused`: it is another. */
  why: Schema.Literals(["draining", "unreachable", "refused"]),
  detail: Schema.String
}) {
  override get message() {
    return `gateway ${this.gateway_id} ${this.why}: ${this.detail}`
  }
}
