/** Generations of the search index as parts of one table: made, swapped and dropped while it is searched. */
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { Generations } from "../../src/search/Generations.ts"
import { SearchUnavailable } from "../../src/search/SearchUnavailable.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent } from "./Statement.ts"

interface Part {
  readonly number: number
  readonly live: boolean
  /** A drop that was broken off; it must be ended before another can begin. */
  readonly leaving: boolean
}

const tableOf = (name: string | number) => `search_documents_${Number(name)}`

const away = <A, E>(effect: Effect.Effect<A, E | SqlError.SqlError>) =>
  orUnavailable(silent(effect)).pipe(
    Effect.mapError((cause) => new SearchUnavailable({ engine: "postgres", cause }))
  )

export const make = (sql: SqlClient.SqlClient): Generations => {
  const parts = sql<Part>`
    select number, number = search_live.generation as live, leaving
    from search_live, (
      select substring(relname from '_([0-9]+)$')::integer as number, inhdetachpending as leaving
      from pg_inherits join pg_class on pg_class.oid = inhrelid
      where inhparent = 'search_documents'::regclass
    ) as parts
    order by number`

  /**
   * Attaching, unlike making it as a part, and detaching concurrently lock out neither searches nor writes. No default
   * part may be there for that, and none is.
   */
  const create = Effect.fnUntraced(function*(name: string) {
    if ((yield* parts).some(({ number }) => number === Number(name))) return
    const table = tableOf(name)
    yield* sql.withTransaction(Effect.gen(function*() {
      yield* sql.unsafe(`create table if not exists ${table} (like search_documents including all)`)
      yield* sql.unsafe(`alter table search_documents attach partition ${table} for values in (${Number(name)})`)
    }))
  })

  const drop = Effect.fnUntraced(function*(name: string) {
    const part = (yield* parts).find(({ number }) => number === Number(name))
    const table = tableOf(name)
    if (part !== undefined) {
      const how = part.leaving ? "finalize" : "concurrently"
      yield* sql.unsafe(`alter table search_documents detach partition ${table} ${how}`)
    }
    yield* sql.unsafe(`drop table if exists ${table}`)
  })

  return {
    list: away(Effect.map(parts, (all) =>
      all.filter(({ leaving }) => !leaving).map(({ live, number }) => ({
        name: String(number),
        live,
        writable: true
      })))),
    next: away(Effect.map(parts, (all) => String(1 + Math.max(0, ...all.map(({ number }) => number))))),
    create: (name) => away(create(name)),
    makeLive: (name) => away(Effect.asVoid(sql`update search_live set generation = ${Number(name)}::integer`)),
    drop: (name) => away(drop(name)),
    refresh: () => Effect.void
  }
}
