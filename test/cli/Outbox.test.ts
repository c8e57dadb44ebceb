/** `wordloom outbox`, on rows that an import left. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { database, fileOf, wordloom } from "./Commands.ts"

/** Three blocks and their library, whose search rows are dead, done and waiting. */
const withRows = Effect.gen(function*() {
  const { env, query } = yield* database
  const file = yield* fileOf(["one", "two", "three"].map((title) => JSON.stringify({ title, body: "" })))
  assert.strictEqual((yield* wordloom(["import", file], env)).code, 0)
  const said =
    `entity_type, entity_id, entity_version, op, traceparent, tracestate, request_id, actor, library_id, changes,
    created_at`
  const move = (to: string, columns: string, values: string, id: number) =>
    query(`with gone as (delete from outbox_search where id = ${id} returning *)
      insert into ${to} (projection, id, ${columns}, ${said}) select 'search', id, ${values}, ${said} from gone`)
  yield* move("outbox_dead", "claimed_at, attempts, error_type, error_detail", "now(), 10, 'es_mapping', 'no'", 2)
  yield* move("outbox_done", "outcome, claimed_at, attempts, lease_owner", "'acked', now(), 1, 'w1'", 3)
  const [block] = yield* query<{ readonly id: string }>("select id::text as id from blocks where title = 'three'")
  return { env, block: block!.id }
})

describe("wordloom outbox", () => {
  it.live("tells how much is waiting, done and dead", () =>
    Effect.gen(function*() {
      const { env } = yield* withRows
      const table = yield* wordloom(["outbox", "stats"], env)
      assert.strictEqual(table.code, 0)
      assert.match(table.out, /^PROJECTION +PENDING +PROCESSING +DONE +DEAD .* STATE$/m)
      assert.match(table.out, /^search +2 +0 +1 +1 .* running$/m)
      assert.match(table.out, /^chronicle +\d+ +0 +0 +0 .* - +- +- +running$/m, "no lag where nothing was finished")
      const { out } = yield* wordloom(["outbox", "stats", "--json"], env)
      const [search] = JSON.parse(out).projections
      assert.include(search, { projection: "search", pending: 2, done: 1, dead: 1 })
      assert.containsAllKeys(search.lag_seconds, ["p50", "p95", "p99"])
    }))

  it.live("lists rows by what is asked for, a page at a time", () =>
    Effect.gen(function*() {
      const { block, env } = yield* withRows
      const dead = yield* wordloom(["outbox", "list", "--projection", "search", "--status", "dead"], env)
      assert.strictEqual(dead.code, 0)
      assert.match(dead.out, /^search +2 +dead +10 +block\/[0-9a-f-]{36} .*es_mapping$/m)
      const all = yield* wordloom(["outbox", "list"], env)
      assert.notMatch(all.out, / $/m, "a line ends in blanks")
      const json = (...args: ReadonlyArray<string>) =>
        Effect.map(wordloom(["outbox", "list", "--json", ...args], env), ({ out }) => JSON.parse(out))
      const ofBlock = yield* json("--entity-id", block.toUpperCase())
      assert.deepStrictEqual(
        ofBlock.items.map(({ entity_id, projection }: Record<string, string>) => [projection, entity_id]).toSorted(),
        [["chronicle", block], ["search", block]]
      )
      const first = yield* json("--limit", "5")
      const rest = yield* json("--limit", "5", "--cursor", first.next_cursor)
      assert.lengthOf(first.items, 5)
      assert.lengthOf(rest.items, 3)
      assert.isNull(rest.next_cursor)
      for (const cursor of ["nonsense", "e30"]) {
        assert.include(yield* wordloom(["outbox", "list", "--cursor", cursor], env), {
          code: 2,
          out: "",
          err: "--cursor must be a next_cursor of this query\n"
        })
      }
      assert.match(first.items[0].created_at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      assert.include(yield* wordloom(["outbox", "list", "--trace-id", "0".repeat(31) + "1"], env), {
        code: 0,
        out: "",
        err: "no such rows\n"
      })
    }))

  it.live("pauses a projection and resumes it, as often as it is said", () =>
    Effect.gen(function*() {
      const { env } = yield* database
      const outbox = (...args: ReadonlyArray<string>) => wordloom(["outbox", ...args], env)
      const paused = yield* outbox("pause", "chronicle", "--reason", "moving the archive")
      assert.include(paused, { code: 0, err: "" })
      assert.match(paused.out, /^chronicle is paused since \d{4}-\d\d-\d\dT[\d:.]+Z: moving the archive\n$/)
      const again = JSON.parse((yield* outbox("pause", "chronicle", "--reason", "another", "--json")).out)
      const { paused_at: since, ...state } = again
      assert.deepStrictEqual(state, {
        projection: "chronicle",
        paused: true,
        paused_reason: "moving the archive",
        breakers: []
      })
      assert.match(
        (yield* outbox("stats")).out,
        new RegExp(`^chronicle .* paused since ${since}: moving the archive$`, "m")
      )
      const all = JSON.parse((yield* outbox("stats", "--json")).out).projections
      assert.deepStrictEqual(all.map((one: Record<string, unknown>) => one["paused_at"]), [null, since, null])
      for (let time = 0; time < 2; time++) {
        assert.include(yield* outbox("resume", "chronicle"), { code: 0, out: "chronicle goes on\n", err: "" })
      }
      assert.include(JSON.parse((yield* outbox("resume", "chronicle", "--json")).out), {
        paused: false,
        paused_at: null
      })
      assert.notInclude((yield* outbox("stats")).out, "paused")
    }))

  it.live("tells which workers cannot deliver, and why", () =>
    Effect.gen(function*() {
      const { env, query } = yield* database
      assert.strictEqual((yield* wordloom(["migrate"], env)).code, 0)
      assert.notInclude((yield* wordloom(["outbox", "stats"], env)).out, "BREAKER")
      yield* query("insert into outbox_workers (id, projections) values ('w1', '{search}'), ('w2', '{search}')")
      yield* query(`insert into outbox_breakers (projection, worker, state, error_type, error_detail, retry_at) values
        ('search', 'w1', 'open', 'es_unavailable', E'no node\nanswered', '2099-01-01T00:00:00Z'),
        ('search', 'w2', 'half_open', 'es_unavailable', 'no node answered', '2099-01-01T00:00:00Z')`)
      const { out } = yield* wordloom(["outbox", "stats"], env)
      assert.match(out, /^search .* breaker open$/m)
      assert.match(out, /^PROJECTION +WORKER +BREAKER +NEXT TRY +ERROR +DETAIL$/m)
      assert.match(out, /^search +w1 +open +2099-01-01T00:00:00.000Z +es_unavailable +no node answered$/m)
      assert.match(out, /^search +w2 +half open +2099/m)
      const { breakers } = JSON.parse((yield* wordloom(["outbox", "stats", "--json"], env)).out).projections[0]
      assert.deepInclude(breakers[0], { worker: "w1", state: "open", error_type: "es_unavailable" })
      assert.lengthOf(breakers, 2)
    }))

  it.live("makes finished rows due again, all that fit or one of them", () =>
    Effect.gen(function*() {
      const { env } = yield* withRows
      const replay = (...args: ReadonlyArray<string>) =>
        wordloom(["outbox", "replay", "--projection", "search", ...args], env)
      assert.include(yield* replay("--error-type", "es_429", "--json"), { code: 0, out: "{\"replayed\":0}\n" })
      assert.include(yield* replay("--error-type", "es_mapping"), { code: 0, out: "1 row is due again in search\n" })
      assert.include(yield* replay("--id", "3", "--json"), { code: 0, out: "{\"replayed\":1}\n" })
      assert.include(yield* replay("--id", "3"), { code: 1, out: "", err: "search has no such finished row 3\n" })
      const { out } = yield* wordloom(["outbox", "stats", "--json"], env)
      assert.include(JSON.parse(out).projections[0], { pending: 4, done: 0, dead: 0 })
    }))

  it.live("leaves a database of an earlier version as it is, as explain does", () =>
    Effect.gen(function*() {
      const { env, query } = yield* database
      const begun = yield* wordloom(["outbox", "stats"], env)
      assert.strictEqual(begun.code, 0, begun.err)
      yield* query("delete from wordloom_migrations where migration_id > 1")
      const id = "01900000-0000-7000-8000-000000000001"
      for (const args of [["outbox", "list"], ["outbox", "pause", "search"], ["explain", `tag/${id}`]]) {
        const { code, err, out } = yield* wordloom(args, env)
        assert.deepStrictEqual([code, out], [2, ""], args.join(" "))
        assert.match(
          err,
          /lacks \d+ of \d+ steps of this version's schema; node programs\/wordloom\.js migrate takes them/
        )
      }
      const [left] = yield* query<{ readonly steps: string }>("select count(*) as steps from wordloom_migrations")
      assert.strictEqual(Number(left!.steps), 1)
    }))
})
