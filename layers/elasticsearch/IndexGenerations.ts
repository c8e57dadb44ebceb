/** Generations of the search index as numbered indexes, of which two aliases lead to the live one. */
import { type Duration, Effect, Schema } from "effect"
import { ask, ElasticsearchClient, readAs } from "./ElasticsearchClient.ts"
import { adding, changeAliases, create, ForeignIndex } from "./IndexPreparation.ts"
import { knownIndexes } from "./KnownIndexes.ts"
import { indexOf, liveAliases, numberOf, objectionTo, ownAliases, writeAlias } from "./SearchMapping.ts"

const timeout = "30 seconds"

/** What is behind the alias, whatever it is called, and all that is numbered after it. */
const all = Effect.gen(function*() {
  const { index: alias } = yield* ElasticsearchClient
  const found = yield* knownIndexes(`${alias},${alias}-*`, true)
  if (Object.hasOwn(found, alias)) {
    return yield* new ForeignIndex({ objection: `${alias} is an index; the name must be free for an alias` })
  }
  return Object.entries(found)
    .map(([name, known]) => ({
      name,
      known,
      number: numberOf(alias, name),
      live: Object.hasOwn(known.aliases ?? {}, alias)
    }))
    .filter(({ live, number }) => live || number !== undefined)
    .toSorted((a, b) => (a.number ?? 0) - (b.number ?? 0))
})

export const list = Effect.map(
  all,
  (indexes) =>
    indexes.map(({ known, live, name }) => ({ name, live, writable: objectionTo(name, known) === undefined }))
)

export const next = Effect.gen(function*() {
  const { index: alias } = yield* ElasticsearchClient
  const numbers = (yield* all).map(({ number }) => number ?? 0)
  return indexOf(alias, 1 + Math.max(0, ...numbers))
})

export const createEmpty = (name: string) => create(name, ownAliases(name))

const readShards = readAs(Schema.Struct({ _shards: Schema.Struct({ failed: Schema.Literal(0) }) }))

/** `name`: an index, where it is not the one that is searched. */
export const refresh = (patience: Duration.Input, name?: string) =>
  Effect.asVoid(Effect.flatMap(ask("refresh", { timeout: patience }, name), readShards))

export const refreshed = (name: string) => refresh(timeout, name)

export const makeLive = Effect.fnUntraced(function*(name: string) {
  const { index: alias } = yield* ElasticsearchClient
  yield* refreshed(name)
  const leaving = (yield* all).filter((each) => each.name !== name).flatMap(({ known, name: index }) =>
    [alias, writeAlias(alias)].filter((each) => Object.hasOwn(known.aliases ?? {}, each)).map((each) => ({
      remove: { index, alias: each }
    }))
  )
  yield* changeAliases([...leaving, ...adding(name, liveAliases(alias))])
})

export const drop = (name: string) =>
  ElasticsearchClient.use(({ request }) => request({ method: "DELETE", path: `/${name}`, timeout })).pipe(
    Effect.asVoid,
    Effect.catchIf(({ type }) => type === "index_not_found_exception", () => Effect.void)
  )
