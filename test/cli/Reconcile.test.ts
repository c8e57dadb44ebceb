/** `wordloom reconcile`, on an index that somebody wrote to behind the product's back. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startProgram, until } from "../support/Programs.ts"
import { database, fileOf, wordloom } from "./Commands.ts"

const noPorts = { OUTBOX_HTTP_PORT: "0", OUTBOX_METRICS_PORT: "0" }

/** Three blocks, their library and an index, and a way to let a worker bring them together. */
const withIndex = Effect.gen(function*() {
  const { env, query } = yield* database
  const file = yield* fileOf(["one", "two", "three"].map((title) => JSON.stringify({ title, body: "" })))
  assert.strictEqual((yield* wordloom(["import", file], env)).code, 0)
  const waiting = query<{ readonly rows: number }>("select count(*)::integer as rows from outbox_search")
  const work = Effect.promise(async () => {
    const worker = startProgram("worker", { ...env, ...noPorts })
    try {
      await until("an empty outbox", async () => (await Effect.runPromise(waiting))[0]!.rows === 0)
    } finally {
      await worker.stop()
    }
  })
  yield* work
  return { env, query, work, reconcile: (...args: ReadonlyArray<string>) => wordloom(["reconcile", ...args], env) }
})

const orphan = "ffffffff-ffff-4fff-8fff-ffffffffffff"

describe("wordloom reconcile", () => {
  it.live("tells what differs, repairs it through the outbox, and then finds nothing", () =>
    Effect.gen(function*() {
      const { query, reconcile, work } = yield* withIndex
      const clean = yield* reconcile()
      assert.include(clean, { code: 0, err: "" })
      assert.match(clean.out, /^postgres: 4 entities in 1 ranges, of which 0 differed; [\d.]+ s\nno drift\n$/)

      yield* query("delete from search_documents where title = 'one'")
      yield* query("update search_documents set title = 'zwei' where title = 'two'")
      yield* query(`insert into search_documents (generation, id, kind, version, revision, deleted, title, body)
        values (1, '${orphan}', 'block', 3, 4, false, 'nobody', '')`)
      const found = yield* reconcile()
      assert.include(found, { code: 1, err: "the search index differs from the entities\n" })
      assert.match(found.out, /^DRIFT +ENTITY +SHOULD BE +IS$/m)
      assert.match(found.out, /^missing +block\/[0-9a-f-]{36} +1\.0 +-$/m)
      assert.match(found.out, /^stale +block\/[0-9a-f-]{36} +1\.0 +1\.0$/m)
      assert.match(found.out, new RegExp(`^orphaned +block/${orphan} +- +3\\.1$`, "m"))
      assert.match(found.out, /^1 missing, 1 stale, 1 orphaned$/m)

      const repaired = yield* reconcile("--repair", "--json")
      assert.include(repaired, { code: 0, err: "" })
      const { examples, seconds, ...summary } = JSON.parse(repaired.out)
      assert.deepStrictEqual(summary, {
        engine: "postgres",
        entities: 4,
        ranges: 1,
        ranges_differing: 1,
        under_way: 0,
        missing: 1,
        stale: 1,
        orphaned: 1,
        repaired: 3,
        beyond_repair: 0
      })
      assert.isAbove(seconds, 0)
      assert.deepInclude(examples, {
        drift: "orphaned",
        kind: "block",
        id: orphan,
        expected: null,
        found: { version: 3, revision: 4, deleted: false }
      })
      const early = yield* reconcile()
      assert.strictEqual(early.code, 0)
      assert.match(early.out, /^no drift; 3 under way, not judged$/m)
      yield* work
      assert.match((yield* reconcile()).out, /of which 0 differed.*\nno drift\n$/)
      const titles = yield* query<{ readonly title: string }>(
        "select title from search_documents where not deleted order by title"
      )
      assert.deepStrictEqual(titles.map(({ title }) => title), ["one", "some words", "three", "two"])
    }))

  it.live("does not take an engine that is away for one without documents", () =>
    Effect.gen(function*() {
      const { env } = yield* database
      const away = yield* wordloom(["reconcile", "--repair"], { ...env, ELASTIC_URL: "http://127.0.0.1:1" })
      assert.include(away, { code: 2, out: "" })
      assert.match(away.err, /^the search engine \(elasticsearch\) did not answer: .+\n$/)
    }))
})
