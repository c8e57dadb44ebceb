/** Which indexes there are behind a name, with their aliases and their mark. */
import { Effect, Schema } from "effect"
import { ElasticsearchClient, readAs } from "./ElasticsearchClient.ts"

const readTimeout = "5 seconds"

const Known = Schema.Struct({
  aliases: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  mappings: Schema.optionalKey(
    Schema.Struct({ _meta: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)) })
  )
})

const read = readAs(Schema.Record(Schema.String, Known))

// Without its date an index that has neither alias nor mark would not be in the answer.
const query = { filter_path: "*.aliases,*.mappings._meta,*.settings.index.creation_date" }

/** Fails when a name leads nowhere, unless `lenient`; a pattern may lead nowhere. */
export const knownIndexes = Effect.fnUntraced(function*(names: string, lenient = false) {
  const { request } = yield* ElasticsearchClient
  const wanted = lenient ? { ...query, ignore_unavailable: "true" } : query
  return yield* Effect.flatMap(request({ method: "GET", path: `/${names}`, query: wanted, timeout: readTimeout }), read)
})

/** `undefined` where the name leads nowhere. */
export const behind = (name: string) =>
  Effect.catchIf(
    knownIndexes(name),
    ({ type }) => type === "index_not_found_exception",
    () => Effect.succeed(undefined)
  )
