/** Traces from Jaeger's HTTP query API (`/api/traces`), the one that its own pages use. */
import { Effect, Option, Schema } from "effect"
import type { Stored } from "../../src/trace/TraceStore.ts"
import { layerOf } from "./Ask.ts"
import { Answer, traceOf } from "./JaegerShape.ts"

const Names = Schema.Struct({ data: Schema.NullOr(Schema.Array(Schema.String)) })

const storedOf = (answer: typeof Answer.Type, document: unknown): ReadonlyArray<Stored> => {
  const raw = (document as { readonly data: ReadonlyArray<unknown> }).data
  return (answer.data ?? []).map((trace, at) => ({ trace: traceOf(trace), document: { data: [raw[at]] } }))
}

const beganAt = ({ trace }: Stored) =>
  trace.spans.reduce((least, { start }) => start < least ? start : least, 2n ** 63n)

export const layer = (baseUrl: URL) =>
  layerOf("Jaeger", baseUrl, ({ find, need }) => {
    const fetched = (path: string, query?: Readonly<Record<string, string>>) =>
      Effect.map(
        find(Answer, path, query),
        Option.match({ onNone: () => [], onSome: ({ answer, document }) => storedOf(answer, document) })
      )
    return {
      services: Effect.map(need(Names, "services"), ({ data }) => data ?? []),
      find: ({ carries, from, limit, longerThanMs, operation, service, to }) =>
        Effect.map(
          fetched("traces", {
            service,
            ...(operation === undefined ? {} : { operation }),
            ...(carries === undefined ? {} : { tags: JSON.stringify({ [carries.key]: carries.text }) }),
            ...(longerThanMs === undefined ? {} : { minDuration: `${longerThanMs}ms` }),
            start: String(from * 1_000),
            end: String(to * 1_000),
            limit: String(limit)
          }),
          (found) => found.toSorted((a, b) => beganAt(a) > beganAt(b) ? -1 : 1)
        ),
      get: (traceId) => Effect.map(fetched(`traces/${traceId}`), ([first]) => first)
    }
  })
