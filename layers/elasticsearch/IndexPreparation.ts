/** Sees to it that the name leads to an index of ours, and says what is in the way when it does not. */
import { Data, Effect, Schedule } from "effect"
import { ElasticsearchClient } from "./ElasticsearchClient.ts"
import { behind } from "./KnownIndexes.ts"
import { firstIndex, foreign, indexBody, liveAliases, ownAliases } from "./SearchMapping.ts"

/** Making an index waits for its shard to start. */
const createTimeout = "30 seconds"

/** One that is there already stays as it is. */
export const create = Effect.fnUntraced(function*(name: string, aliases: Readonly<Record<string, object>>) {
  const { request } = yield* ElasticsearchClient
  const made = request({ method: "PUT", path: `/${name}`, body: indexBody(aliases), timeout: createTimeout })
  yield* Effect.catchIf(made, ({ type }) => type === "resource_already_exists_exception", () => Effect.void)
})

/** Another process may have made it this moment; its alias shows as soon as every node has heard of it. */
const soonBehind = (alias: string) =>
  Effect.repeat(behind(alias), {
    until: (found) => found !== undefined,
    schedule: Schedule.spaced("100 millis"),
    times: 20
  })

/** The name is taken by something that is not ours, or not of this version: writing to it could spoil it. */
export class ForeignIndex extends Data.TaggedError("ForeignIndex")<{ readonly objection: string }> {
  override get message() {
    return this.objection
  }
}

/** All of them at one moment, or none. */
export const changeAliases = Effect.fnUntraced(function*(actions: ReadonlyArray<object>) {
  const { request } = yield* ElasticsearchClient
  yield* request({ method: "POST", path: "/_aliases", body: { actions }, timeout: createTimeout })
})

export const adding = (index: string, aliases: Readonly<Record<string, object>>): ReadonlyArray<object> =>
  Object.entries(aliases).map(([alias, how]) => ({ add: { index, alias, ...how } }))

/** Safe to run twice at once. */
export const prepare = Effect.gen(function*() {
  const { index: alias } = yield* ElasticsearchClient
  const first = firstIndex(alias)
  const made = create(first, { ...liveAliases(alias), ...ownAliases(first) })
  const found = (yield* behind(alias)) ?? (yield* Effect.andThen(made, soonBehind(alias)))
  const objection = found === undefined
    ? `${first} exists, but the alias ${alias} does not lead to it`
    : foreign(alias, found)
  if (objection !== undefined) return yield* new ForeignIndex({ objection })
  // An index of this mapping may have been made by a version that had only the one alias.
  const actions = Object.entries(found ?? {}).flatMap(([index, { aliases = {} }]) => {
    const wanted = { ...liveAliases(alias), ...ownAliases(index) }
    return Object.keys(wanted).every((name) => Object.hasOwn(aliases, name)) ? [] : adding(index, wanted)
  })
  if (actions.length > 0) yield* changeAliases(actions)
})
