/** The progress of imports in PostgreSQL: a row per file, and a lock that ends with the session that holds it. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Layer, Schema } from "effect"
import { SqlError } from "effect/sql"
import type { EntityId } from "../../src/domain/Entity.ts"
import type { Standing } from "../../src/import/ImportBatch.ts"
import {
  ImportMoved,
  ImportProgress,
  type ImportRecord,
  ImportRunning,
  ValueRefused
} from "../../src/import/ImportProgress.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"
import { orUnavailable, sqlState } from "./PostgresErrors.ts"
import * as SessionLock from "./SessionLock.ts"
import { silent } from "./Statement.ts"

const Row = Schema.Struct({
  sha256: Schema.String,
  library: Schema.String,
  next_line: Schema.Number,
  next_offset: Schema.Number,
  imported: Schema.Number,
  rejected: Schema.Number,
  blank: Schema.Number,
  finished_at: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
const decode = Schema.decodeUnknownSync(Row)

// As doubles they are exact up to 2^53, which no file reaches; as bigint they would come back as another type.
const columns = `sha256, library, next_line::float8, next_offset::float8, imported::float8, rejected::float8,
  blank::float8, finished_at`

const recordOf = (row: unknown): ImportRecord => {
  const { finished_at, library, next_line, next_offset, sha256, ...counts } = decode(row)
  return { sha256, library, standing: { nextLine: next_line, offset: next_offset, ...counts }, finishedAt: finished_at }
}

/** 22xxx: the value is not one of its type; 23xxx: a constraint forbids it; 54xxx: it is too large for its place. */
const refusal = /^(22|23|54)/

const explained = (defect: unknown): Effect.Effect<never, ValueRefused | StoreUnavailable> => {
  if (defect instanceof StoreUnavailable) return Effect.fail(defect)
  if (!SqlError.isSqlError(defect)) return Effect.die(defect)
  const state = sqlState(defect) ?? ""
  const { cause } = defect.reason
  return refusal.test(state)
    ? Effect.fail(
      new ValueRefused({ reason: `the database refused it: ${cause instanceof Error ? cause.message : state}` })
    )
    : orUnavailable(Effect.fail(defect))
}

const make = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient

  const find = (sha256: string) =>
    Effect.map(
      sql`select ${sql.literal(columns)} from imports where sha256 = ${sha256} for update`,
      (rows) => rows.length === 0 ? undefined : recordOf(rows[0])
    )

  const begin = (sha256: string, library: string) =>
    Effect.map(
      sql`insert into imports (sha256, library) values (${sha256}, ${library})
        on conflict (sha256) do update set library = excluded.library, next_line = 1, next_offset = 0, imported = 0,
          rejected = 0, blank = 0, started_at = clock_timestamp(), updated_at = clock_timestamp(), finished_at = null
        returning ${sql.literal(columns)}`,
      (rows) => recordOf(rows[0])
    )

  // The old line is asked for too, so that of two processes that believe they hold the file only one goes on.
  const advance = Effect.fnUntraced(function*(sha256: string, from: Standing, to: Standing) {
    const moved = yield* sql`
      update imports set next_line = ${to.nextLine}::float8, next_offset = ${to.offset}::float8,
        imported = ${to.imported}::float8, rejected = ${to.rejected}::float8, blank = ${to.blank}::float8,
        updated_at = clock_timestamp()
      where sha256 = ${sha256} and next_line = ${from.nextLine}::float8 and finished_at is null returning sha256`
    if (moved.length === 0) return yield* new ImportMoved({ sha256 })
  })

  const libraryNamed = Effect.fnUntraced(function*(name: string) {
    yield* sql`select pg_advisory_xact_lock(hashtextextended('wordloom.library.' || ${name}, 0))::text`
    const rows = yield* sql<{ readonly id: EntityId }>`
      select id from libraries where name = ${name} order by id limit 1`
    return rows[0]?.id
  })

  return ImportProgress.of({
    hold: (sha256) =>
      SessionLock.hold(sql, `wordloom.import.${sha256}`, () => new ImportRunning({ sha256 })).pipe(
        silent,
        orUnavailable
      ),
    find: (sha256) => find(sha256).pipe(silent, orUnavailable),
    begin: (sha256, library) => begin(sha256, library).pipe(silent, orUnavailable),
    advance: (sha256, from, to) => advance(sha256, from, to).pipe(silent, orUnavailable),
    finish: (sha256) =>
      sql`update imports set finished_at = clock_timestamp(), updated_at = clock_timestamp() where sha256 = ${sha256}`
        .pipe(silent, orUnavailable, Effect.asVoid),
    libraryNamed: (name) => libraryNamed(name).pipe(silent, orUnavailable),
    explained
  })
})

export const layer = Layer.effect(ImportProgress, make)
