/** Sees to it that the name leads to an index of ours, and says what is in the way when it does not. */
import { Data, Effect, Schedule, Schema } from "effect"
import { ElasticsearchClient, readAs } from "./ElasticsearchClient.ts"
import { firstIndex, foreign, indexBody } from "./SearchMapping.ts"

/** Making an index waits for its shard to start. */
const createTimeout = "30 seconds"
const readTimeout = "5 seconds"

const readMappings = readAs(Schema.Record(
  Schema.String,
  Schema.Struct({
    mappings: Schema.optionalKey(
      Schema.Struct({ _meta: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)) })
    )
  })
))

/** What is behind the name; `undefined` when nothing is. */
const behind = Effect.gen(function*() {
  const { index, request } = yield* ElasticsearchClient
  return yield* request({ method: "GET", path: `/${index}/_mapping`, timeout: readTimeout }).pipe(
    Effect.flatMap(readMappings),
    Effect.catchIf(({ type }) => type === "index_not_found_exception", () => Effect.succeed(undefined))
  )
})

const create = Effect.gen(function*() {
  const { index, request } = yield* ElasticsearchClient
  const made = request({
    method: "PUT",
    path: `/${firstIndex(index)}`,
    body: indexBody(index),
    timeout: createTimeout
  })
  yield* Effect.catchIf(made, ({ type }) => type === "resource_already_exists_exception", () => Effect.void)
})

/** Another process may have made it this moment; its alias shows as soon as every node has heard of it. */
const soonBehind = Effect.repeat(behind, {
  until: (found) => found !== undefined,
  schedule: Schedule.spaced("100 millis"),
  times: 20
})

/** The name is taken by something that is not ours, or not of this version: writing to it could spoil it. */
class ForeignIndex extends Data.TaggedError("ForeignIndex")<{ readonly objection: string }> {
  override get message() {
    return this.objection
  }
}

/** Safe to run twice at once. */
export const prepare = Effect.gen(function*() {
  const { index } = yield* ElasticsearchClient
  const found = (yield* behind) ?? (yield* Effect.andThen(create, soonBehind))
  const objection = found === undefined
    ? `${firstIndex(index)} exists, but the alias ${index} does not lead to it`
    : foreign(index, found)
  if (objection !== undefined) return yield* new ForeignIndex({ objection })
})
