/** Traces from Jaeger's HTTP query API (`/api/traces`), the one that its own pages use. */
import { Effect, Layer, Option, Schema } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { type Stored, TraceStore } from "../../src/trace/TraceStore.ts"
import { ask, decode, type Store, storeAt, urlOf } from "./Ask.ts"
import { Answer, traceOf } from "./JaegerShape.ts"

const Names = Schema.Struct({ data: Schema.NullOr(Schema.Array(Schema.String)) })

const storedOf = (store: Store, url: URL, document: unknown) =>
  Effect.map(
    decode(Answer, store, url)(document),
    ({ data }): ReadonlyArray<Stored> => {
      const raw = (document as { readonly data: ReadonlyArray<unknown> }).data
      return (data ?? []).map((trace, at) => ({ trace: traceOf(trace), document: { data: [raw[at]] } }))
    }
  )

const beganAt = ({ trace }: Stored) =>
  trace.spans.reduce((least, { start }) => start < least ? start : least, 2n ** 63n)

export const layer = (baseUrl: URL): Layer.Layer<TraceStore> =>
  Layer.effect(
    TraceStore,
    Effect.map(HttpClient.HttpClient, (client) => {
      const store = storeAt("Jaeger", baseUrl)
      const asked = (url: URL) => Effect.provideService(ask(store, url), HttpClient.HttpClient, client)
      const fetched = (url: URL) =>
        Effect.flatMap(
          asked(url),
          Option.match({
            onNone: () => Effect.succeed<ReadonlyArray<Stored>>([]),
            onSome: (document) => storedOf(store, url, document)
          })
        )
      return TraceStore.of({
        store: store.name,
        services: Effect.suspend(() => {
          const url = urlOf(store, "services")
          return Effect.flatMap(asked(url), (answer) => decode(Names, store, url)(Option.getOrNull(answer)))
        }).pipe(Effect.map(({ data }) => data ?? [])),
        find: ({ carries, from, limit, longerThanMs, operation, service, to }) =>
          Effect.map(
            fetched(urlOf(store, "traces", {
              service,
              ...(operation === undefined ? {} : { operation }),
              ...(carries === undefined ? {} : { tags: JSON.stringify({ [carries.key]: carries.text }) }),
              ...(longerThanMs === undefined ? {} : { minDuration: `${longerThanMs}ms` }),
              start: String(from * 1_000),
              end: String(to * 1_000),
              limit: String(limit)
            })),
            (found) => found.toSorted((a, b) => beganAt(a) > beganAt(b) ? -1 : 1)
          ),
        get: (traceId) => Effect.map(fetched(urlOf(store, `traces/${traceId}`)), ([first]) => first)
      })
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))
