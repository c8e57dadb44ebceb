/** Traces from Jaeger's HTTP query API (`/api/traces`), the one that its own pages use. */
import { Effect, Layer, Option, Schema } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { type Stored, TraceStore } from "../../src/trace/TraceStore.ts"
import { ask, type Store, storeAt, unavailable, urlOf } from "./Ask.ts"
import { Answer, traceOf } from "./JaegerShape.ts"

const decode = Schema.decodeUnknownEffect(Answer)

const storedOf = (store: Store, url: URL, document: unknown) =>
  Effect.map(
    Effect.mapError(decode(document), ({ message }) =>
      unavailable(store, url, `the answer is not Jaeger's: ${message.split("\n", 1)[0]}`)),
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
      const fetched = (url: URL) =>
        Effect.flatMap(
          Effect.provideService(ask(store, url), HttpClient.HttpClient, client),
          Option.match({
            onNone: () => Effect.succeed<ReadonlyArray<Stored>>([]),
            onSome: (document) => storedOf(store, url, document)
          })
        )
      return TraceStore.of({
        store: store.name,
        find: ({ from, limit, operation, service, to }) =>
          Effect.map(
            fetched(urlOf(store, "traces", {
              service,
              operation,
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
