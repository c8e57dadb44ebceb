/** Traces from Tempo's HTTP API: found by TraceQL (`/api/search`), read whole one by one (`/api/traces/{id}`). */
import { Effect, Option, Schema } from "effect"
import type { Stored, Wanted } from "../../src/trace/TraceStore.ts"
import { layerOf } from "./Ask.ts"
import { Answer, traceOf } from "./OtlpShape.ts"

const Found = Schema.Struct({
  traces: Schema.optionalKey(
    Schema.Array(Schema.Struct({ traceID: Schema.String, startTimeUnixNano: Schema.optionalKey(Schema.String) }))
  )
})

const Values = Schema.Struct({ tagValues: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))) })

const quoted = (value: string) => JSON.stringify(value)

/** All of it is said of one span. */
const queryOf = ({ carries, longerThanMs, operation, service }: Wanted) =>
  [
    `resource.service.name = ${quoted(service)}`,
    ...(operation === undefined ? [] : [`name = ${quoted(operation)}`]),
    ...(carries === undefined ? [] : [`span.${carries.key} = ${quoted(carries.text)}`]),
    ...(longerThanMs === undefined ? [] : [`duration > ${longerThanMs}ms`])
  ].join(" && ")

/** Traces that are read at the same time. */
const readers = 4

export const layer = (baseUrl: URL) =>
  layerOf("Tempo", baseUrl, ({ find, need }) => {
    const get = (traceId: string) =>
      Effect.map(find(Answer, `traces/${traceId}`), (told): Stored | undefined => {
        const { answer, document } = Option.getOrElse(told, () => ({ answer: {}, document: undefined }))
        const trace = traceOf(traceId, answer)
        return trace.spans.length === 0 ? undefined : { trace, document }
      })
    return {
      services: Effect.map(need(Values, "search/tag/service.name/values"), ({ tagValues }) => tagValues ?? []),
      find: Effect.fnUntraced(function*(wanted) {
        const told = yield* find(Found, "search", {
          q: `{ ${queryOf(wanted)} }`,
          start: String(Math.floor(wanted.from / 1_000)),
          end: String(Math.ceil(wanted.to / 1_000)),
          limit: String(wanted.limit)
        })
        const found = Option.isSome(told) ? told.value.answer.traces ?? [] : []
        const newest = found.toSorted((a, b) =>
          BigInt(a.startTimeUnixNano ?? 0) > BigInt(b.startTimeUnixNano ?? 0) ? -1 : 1
        )
        // Tempo leaves out the zeros that an id begins with.
        const traces = yield* Effect.forEach(newest, ({ traceID }) => get(traceID.padStart(32, "0")), {
          concurrency: readers
        })
        return traces.filter((trace) => trace !== undefined)
      }),
      get
    }
  })
