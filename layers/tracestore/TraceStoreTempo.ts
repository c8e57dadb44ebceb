/** Traces from Tempo's HTTP API: found by TraceQL (`/api/search`), read whole one by one (`/api/traces/{id}`). */
import { Effect, Layer, Option, Schema } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { type Stored, TraceStore, type Wanted } from "../../src/trace/TraceStore.ts"
import { ask, decode, storeAt, urlOf } from "./Ask.ts"
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

export const layer = (baseUrl: URL): Layer.Layer<TraceStore> =>
  Layer.effect(
    TraceStore,
    Effect.map(HttpClient.HttpClient, (client) => {
      const store = storeAt("Tempo", baseUrl)
      const asked = (url: URL) => Effect.provideService(ask(store, url), HttpClient.HttpClient, client)
      const get = (traceId: string) => {
        const url = urlOf(store, `traces/${traceId}`)
        return Effect.flatMap(
          asked(url),
          Option.match({
            onNone: () => Effect.succeed<Stored | undefined>(undefined),
            onSome: (document) =>
              Effect.map(decode(Answer, store, url)(document), (answer): Stored | undefined => {
                const trace = traceOf(traceId, answer)
                return trace.spans.length === 0 ? undefined : { trace, document }
              })
          })
        )
      }
      return TraceStore.of({
        store: store.name,
        services: Effect.suspend(() => {
          const url = urlOf(store, "search/tag/service.name/values")
          return Effect.flatMap(asked(url), (answer) => decode(Values, store, url)(Option.getOrNull(answer)))
        }).pipe(Effect.map(({ tagValues }) => tagValues ?? [])),
        find: (wanted) =>
          Effect.gen(function*() {
            const url = urlOf(store, "search", {
              q: `{ ${queryOf(wanted)} }`,
              start: String(Math.floor(wanted.from / 1_000)),
              end: String(Math.ceil(wanted.to / 1_000)),
              limit: String(wanted.limit)
            })
            const found = yield* Effect.flatMap(
              asked(url),
              (answer) => decode(Found, store, url)(Option.getOrElse(answer, () => ({})))
            )
            const newest = (found.traces ?? []).toSorted((a, b) =>
              BigInt(a.startTimeUnixNano ?? 0) > BigInt(b.startTimeUnixNano ?? 0) ? -1 : 1
            )
            // Tempo leaves out the zeros that an id begins with.
            const traces = yield* Effect.forEach(newest, ({ traceID }) => get(traceID.padStart(32, "0")), {
              concurrency: readers
            })
            return traces.filter((trace) => trace !== undefined)
          }),
        get
      })
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))
