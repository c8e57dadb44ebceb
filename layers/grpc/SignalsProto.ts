/** The protobuf contract of kept traces' signals as both sides read it, bounded. */
import { loadPackageDefinition, type ServiceClientConstructor, type ServiceDefinition } from "@grpc/grpc-js"
import { loadSync } from "@grpc/proto-loader"
import { Schema } from "effect"
import { fileURLToPath } from "node:url"

const file = fileURLToPath(new URL("./signals.proto", import.meta.url))

/** The package as read from its file: for the server, the client and reflection. */
export const definition = loadSync(file, { keepCase: true, longs: Number, defaults: true })

const loaded = loadPackageDefinition(definition) as unknown as {
  readonly wordloom: { readonly trace: { readonly v1: { readonly Signals: ServiceClientConstructor } } }
}
export const SignalsStub = loaded.wordloom.trace.v1.Signals
export const service: ServiceDefinition = SignalsStub.service

/** More than a process tells at once. */
const atOnceMax = 20_000

const TraceId = Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/))
const SpanId = Schema.String.check(Schema.isPattern(/^[0-9a-f]{16}$/))
const Milliseconds = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 }))
const some = <A extends Schema.Constraint>(one: A) => Schema.Array(one).check(Schema.isMaxLength(atOnceMax))

export const requests = {
  Write: Schema.Struct({ signals: some(Schema.Struct({ trace_id: TraceId, is_found: Schema.Boolean })) }),
  Recent: Schema.Struct({ within_ms: Milliseconds }),
  Claim: Schema.Struct({ spans: some(Schema.Struct({ trace_id: TraceId, span_id: SpanId })) }),
  Purge: Schema.Struct({ older_than_ms: Milliseconds })
} as const

export const replies = {
  Recent: Schema.decodeUnknownSync(Schema.Struct({ trace_ids: some(TraceId) })),
  Claim: Schema.decodeUnknownSync(Schema.Struct({ span_ids: some(SpanId) }))
} as const
