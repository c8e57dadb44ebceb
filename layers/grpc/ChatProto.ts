/** The protobuf contract as both sides read it, what each message becomes, and what each error is called. */
import {
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceDefinition,
  status
} from "@grpc/grpc-js"
import { loadSync } from "@grpc/proto-loader"
import { Schema } from "effect"
import { fileURLToPath } from "node:url"
import { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import { LogicUnavailable, MessageIdReused, MessageInvalid, SessionUnknown } from "../../src/realtime/RealtimeErrors.ts"
import { ClientId, pageMax, Seq, SessionMessage, Text, User } from "../../src/realtime/Session.ts"
import { type Carrier, valuesOf } from "../../src/telemetry/Carriers.ts"

const file = fileURLToPath(new URL("./chat.proto", import.meta.url))

/** The package as read from its file: for the server, the client and reflection. */
export const definition = loadSync(file, { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true })

const loaded = loadPackageDefinition(definition) as unknown as {
  readonly wordloom: { readonly chat: { readonly v1: { readonly Logic: ServiceClientConstructor } } }
}
export const LogicStub = loaded.wordloom.chat.v1.Logic
export const service: ServiceDefinition = LogicStub.service
export const serviceName = "wordloom.chat.v1.Logic"

/** Bytes of one message either way: a full page of the longest texts, escaped. */
export const messageMax = 4 * 1_024 * 1_024

/** How long a gateway waits for an answer. */
export const answerWithinMs = 5_000

const Gateway = Schema.Struct({
  gateway_id: Schema.String.check(Schema.isPattern(/^[\w.-]{1,128}$/)),
  address: Schema.String.check(Schema.isPattern(/^[\w.:[\]-]{1,256}$/))
})

/** More than a gateway ever holds. */
const sessionsMax = 20_000

/** Each method's request, as it must be before anything is done for it. */
export const requests = {
  SendMessage: Schema.Struct({ session_id: EntityId, from_user: User, client_id: ClientId, text: Text }),
  History: Schema.Struct({
    session_id: EntityId,
    after: Seq,
    limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: pageMax }))
  }),
  Join: Schema.Struct({ kind: EntityKind, session_id: EntityId, gateway: Gateway }),
  Leave: Schema.Struct({ gateway_id: Gateway.fields.gateway_id, session_id: EntityId }),
  Attend: Schema.Struct({
    gateway: Gateway,
    session_ids: Schema.Array(EntityId).check(Schema.isMaxLength(sessionsMax))
  }),
  Retire: Schema.Struct({ gateway_id: Gateway.fields.gateway_id })
} as const

const Wire = Schema.Struct({
  session_id: Schema.String,
  seq: Schema.Int,
  kind: Schema.String,
  from_user: Schema.String,
  client_id: Schema.String,
  body: Schema.String,
  request_id: Schema.String,
  at: Schema.String
})
type Wire = typeof Wire.Type

export const toWire = ({ body, request_id, ...message }: SessionMessage): Wire => ({
  ...message,
  body: JSON.stringify(body),
  request_id: request_id ?? ""
})

const decodeMessage = Schema.decodeUnknownSync(SessionMessage)
const fromWire = ({ body, request_id, ...message }: Wire): SessionMessage =>
  decodeMessage({ ...message, body: JSON.parse(body) as unknown, request_id: request_id === "" ? null : request_id })

const Head = Schema.Struct({ session_id: EntityId, last_seq: Schema.Int })
const decodeWire = Schema.decodeUnknownSync(Wire)

/** Each method's reply, as it must be to be believed. */
export const replies = {
  SendMessage: (reply: { readonly message: unknown; readonly is_new: unknown }) => ({
    message: fromWire(decodeWire(reply.message)),
    isNew: reply.is_new === true
  }),
  History: (reply: { readonly messages: ReadonlyArray<unknown>; readonly last_seq: number }) => ({
    messages: reply.messages.map((message) => fromWire(decodeWire(message))),
    last_seq: reply.last_seq
  }),
  Join: Schema.decodeUnknownSync(Schema.Struct({ last_seq: Schema.Int, version: Schema.Int })),
  Attend: Schema.decodeUnknownSync(Schema.Struct({ heads: Schema.Array(Head) }))
}

export type Refusal = SessionUnknown | MessageIdReused | MessageInvalid | LogicUnavailable

/** What a person with grpcurl sees, and what a retrying client may do. */
const statuses = {
  SessionUnknown: status.NOT_FOUND,
  MessageIdReused: status.ALREADY_EXISTS,
  MessageInvalid: status.INVALID_ARGUMENT,
  LogicUnavailable: status.UNAVAILABLE
} as const

const errorKey = "wordloom-error"

export const toStatus = (error: Refusal) => {
  const metadata = new Metadata()
  metadata.set(errorKey, error._tag)
  return { code: statuses[error._tag], details: error.message.slice(0, 512), metadata }
}

/** Whatever else went wrong on the way counts as not answered: the same may be asked again. */
export const fromStatus = (
  error: { readonly code?: number; readonly details?: string; readonly metadata?: Metadata },
  asked: { readonly session: string; readonly client_id: string }
): Refusal => {
  const detail = error.details ?? "logic did not answer"
  switch (error.metadata?.get(errorKey)[0]) {
    case "SessionUnknown":
      return new SessionUnknown({ session: asked.session })
    case "MessageIdReused":
      return new MessageIdReused({ client_id: asked.client_id })
    case "MessageInvalid":
      return new MessageInvalid({ detail })
    default:
      // Words that are not ours, of a library or of a proxy in between: no client is shown them.
      return error.code === status.INVALID_ARGUMENT || error.code === status.RESOURCE_EXHAUSTED
        ? new MessageInvalid({ detail: "it is larger than logic takes, or of another shape" })
        : new LogicUnavailable({ detail })
  }
}

/** gRPC's metadata may have several values under one key. */
export const metadataCarrier: Carrier<Metadata> = {
  name: "grpc",
  write: ({ traceparent, tracestate }, metadata) => {
    metadata.set("traceparent", traceparent)
    if (tracestate !== null) metadata.set("tracestate", tracestate)
    return metadata
  },
  read: (metadata) => ({
    traceparent: metadata.get("traceparent").flatMap((value) => valuesOf(String(value))),
    tracestate: metadata.get("tracestate").flatMap((value) => valuesOf(String(value)))
  })
}
