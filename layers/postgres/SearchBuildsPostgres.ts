/** The builds of search indexes in PostgreSQL: a row each, and a lock that ends with the session that holds it. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schema } from "effect"
import { EntityId } from "../../src/domain/Entity.ts"
import { type Build, BuildMoved, BuildRunning, type Miss, Phase, SearchBuilds } from "../../src/search/SearchBuilds.ts"
import { integers, uuids } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import * as SessionLock from "./SessionLock.ts"
import { silent } from "./Statement.ts"

const Row = Schema.Struct({
  index: Schema.String,
  phase: Phase,
  generation: Schema.String,
  previous: Schema.String,
  follows: Schema.Boolean,
  cursor: Schema.NullOr(EntityId),
  written: Schema.Number
})
const decode = Schema.decodeUnknownSync(Row)
const decodeMisses = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ id: EntityId, times: Schema.Int }))
)

const columns = "index_name as index, phase, generation, previous, follows, cursor, written::float8 as written"

const make = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  const shown = sql.literal(columns)

  const firstOf = (rows: ReadonlyArray<unknown>): Build | undefined => rows.length === 0 ? undefined : decode(rows[0])
  const orMoved = (index: string) => (build: Build | undefined) =>
    build === undefined ? Effect.fail(new BuildMoved({ index })) : Effect.succeed(build)

  const isAs = ({ cursor, generation, index, phase }: Build) =>
    sql`index_name = ${index} and phase = ${phase} and generation = ${generation}
      and cursor is not distinct from ${cursor}::uuid`

  const find = (index: string) =>
    Effect.map(sql`select ${shown} from search_builds where index_name = ${index}`, firstOf)

  const begin = ({ follows, generation, index, previous }: Parameters<SearchBuilds["Service"]["begin"]>[0]) =>
    sql`insert into search_builds (index_name, phase, generation, previous, follows)
      values (${index}, 'building', ${generation}, ${previous}, ${follows})
      on conflict do nothing returning ${shown}`.pipe(Effect.map(firstOf), Effect.flatMap(orMoved(index)))

  // What it was is asked for too, so that of two processes that believe they hold the index only one goes on.
  const change = (from: Build, { cursor, follows, generation, phase, previous, written }: Build) =>
    sql`update search_builds set phase = ${phase}, generation = ${generation}, previous = ${previous},
        follows = ${follows}, cursor = ${cursor}::uuid, written = ${written}::float8, changed_at = clock_timestamp()
      where ${isAs(from)} returning ${shown}`.pipe(Effect.map(firstOf), Effect.flatMap(orMoved(from.index)))

  const end = (build: Build) =>
    sql`delete from search_builds where ${isAs(build)} returning ${shown}`.pipe(
      Effect.map(firstOf),
      Effect.flatMap(orMoved(build.index)),
      Effect.asVoid
    )

  // Two batches may note the same entities: always in the same order, so that they cannot wait for each other.
  const missed = ({ index }: Build, generation: string, ids: ReadonlyArray<EntityId>) =>
    sql`insert into search_build_misses as known (index_name, generation, entity_id)
      select index_name, ${generation}, id from search_builds, unnest(${uuids(ids.toSorted())}) as id
      where index_name = ${index} and ${generation} in (generation, previous)
      on conflict (index_name, generation, entity_id) do update set times = known.times + 1`

  const owed = ({ index }: Build, generation: string, limit: number) =>
    Effect.map(
      sql`select entity_id as id, times from search_build_misses
        where index_name = ${index} and generation = ${generation} order by entity_id limit ${limit}`,
      (rows): ReadonlyArray<Miss> => decodeMisses(rows)
    )

  const paid = ({ index }: Build, generation: string, misses: ReadonlyArray<Miss>) =>
    sql`delete from search_build_misses as known
      using unnest(${uuids(misses.map(({ id }) => id))}, ${
      integers(misses.map(({ times }) => times))
    }) as miss (id, times)
      where index_name = ${index} and generation = ${generation} and entity_id = miss.id and known.times = miss.times`

  return SearchBuilds.of({
    hold: (index) =>
      SessionLock.hold(sql, `wordloom.search.${index}`, () => new BuildRunning({ index })).pipe(silent, orUnavailable),
    find: (index) => find(index).pipe(silent, orUnavailable),
    begin: (build) => begin(build).pipe(silent, orUnavailable),
    change: (from, to) => change(from, to).pipe(silent, orUnavailable),
    end: (build) => end(build).pipe(silent, orUnavailable),
    missed: (build, generation, ids) => missed(build, generation, ids).pipe(silent, orUnavailable, Effect.asVoid),
    owed: (build, generation, limit) => owed(build, generation, limit).pipe(silent, orUnavailable),
    paid: (build, generation, misses) => paid(build, generation, misses).pipe(silent, orUnavailable, Effect.asVoid)
  })
})

export const layer = Layer.effect(SearchBuilds, make)
