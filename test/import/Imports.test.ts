/** What an import writes, makes and rejects, against a real PostgreSQL. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { linesMax } from "../../src/import/ImportBatch.ts"
import { block, blocks, fileOf, run, stores, titlesIn } from "./Importing.ts"

layer(stores, { excludeTestServices: true })("An import", (it) => {
  it.effect("writes a block a line in the order of the file, each with its outbox rows", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(2 * linesMax + 7))
      const { outcome, rejects } = yield* run(file)
      assert.isEmpty(rejects)
      assert.include(outcome.to, {
        imported: file.lines,
        rejected: 0,
        nextLine: file.lines + 1,
        offset: file.bytes.length
      })
      assert.deepStrictEqual(
        yield* titlesIn(file.library),
        Array.from({ length: file.lines }, (_, at) => `title ${at}`)
      )
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`
        select projection, count(*)::int as rows, count(distinct entity_id)::int as blocks, min(request_id) as first
        from (select 'search' as projection, * from search_outbox_events
          union all select 'chronicle', * from chronicle_outbox_events) as events
        where entity_id in (select blocks.id from blocks join libraries on libraries.id = library_id
          where libraries.name = ${file.library})
        group by projection order by projection`
      const first = `import-${file.source.sha256.slice(0, 12)}-1`
      assert.deepStrictEqual(rows.map((row) => ({ ...row })), [
        { projection: "chronicle", rows: file.lines, blocks: file.lines, first },
        { projection: "search", rows: file.lines, blocks: file.lines, first }
      ])
    }))

  it.effect("takes every text as it is", () =>
    Effect.gen(function*() {
      const titles = [
        "Straße",
        "日本語",
        "😀 emoji",
        "e\u0301 apart",
        "a\\b'c\"d$1",
        "{1,2}",
        "tab\tnew\nline",
        "\u202Eright"
      ]
      const file = fileOf(titles.map((title) => block(title, { tags: ["größe", "größe ", "标签"] })))
      assert.isEmpty((yield* run(file)).rejects)
      assert.deepStrictEqual(yield* titlesIn(file.library), titles)
      const sql = yield* SqlClient.SqlClient
      const tags = yield* sql<{ readonly name: string }>`
        select distinct name from tags, blocks where tags.id = any(tag_ids) and title = '日本語' order by name`
      assert.deepStrictEqual(tags.map(({ name }) => name), ["größe", "标签"])
    }))

  it.effect("finds libraries and tags by name, and makes those that are not there once", () =>
    Effect.gen(function*() {
      const catalog = yield* Catalog
      const known = yield* catalog.create("library", { name: "known before" })
      const tag = yield* catalog.create("tag", { name: "known tag", color: "#000000" })
      const file = fileOf([
        block("one", { library: "known before", tags: ["known tag", "new tag"] }),
        block("two", { library: "new library", tags: ["new tag"] }),
        block("three", { library: "new library" })
      ])
      yield* run(file)
      assert.deepStrictEqual(yield* titlesIn("known before"), ["one"])
      assert.deepStrictEqual(yield* titlesIn("new library"), ["two", "three"])
      assert.isEmpty(yield* titlesIn(file.library))
      const sql = yield* SqlClient.SqlClient
      const [one] = yield* sql<{ readonly library_id: string; readonly tag_ids: ReadonlyArray<string> }>`
        select library_id, tag_ids from blocks where title = 'one'`
      assert.strictEqual(one!.library_id, known.id)
      assert.strictEqual(one!.tag_ids[0], tag.id)
      const [{ count }] = (yield* sql<{ readonly count: number }>`
        select count(*)::int as count from tags where name = 'new tag'`) as [{ readonly count: number }]
      assert.strictEqual(count, 1)
    }))

  it.effect("makes a tag anew that is deleted while it runs", () =>
    Effect.gen(function*() {
      const catalog = yield* Catalog
      const sql = yield* SqlClient.SqlClient
      const file = fileOf(
        blocks(linesMax + 1).map((line) => JSON.stringify({ ...JSON.parse(line), tags: ["short-lived"] }))
      )
      let deleted = false
      const { outcome } = yield* run(file, {
        onMove: () =>
          Effect.gen(function*() {
            if (deleted) return
            deleted = true
            const [tag] = yield* sql<{ readonly id: never }>`select id from tags where name = 'short-lived'`
            yield* catalog.remove("tag", tag!.id, undefined)
          }).pipe(Effect.orDie)
      })
      assert.strictEqual(outcome.to.imported, file.lines)
      const [{ tagged }] = (yield* sql<{ readonly tagged: number }>`
        select count(*)::int as tagged from blocks, tags where tags.id = any(tag_ids) and name = 'short-lived'`) as [
        { readonly tagged: number }
      ]
      assert.strictEqual(tagged, 1)
    }))

  it.effect("tells each rejected line and imports the others", () =>
    Effect.gen(function*() {
      const file = fileOf([
        "nope",
        block("good"),
        "",
        "{\"title\":\"\",\"body\":\"\"}",
        block("also good"),
        block("x", { y: 1 })
      ])
      const { outcome, rejects } = yield* run(file)
      assert.deepStrictEqual(rejects.map(([line]) => line), [1, 4, 6])
      assert.include(outcome.to, { imported: 2, rejected: 3, blank: 1 })
      assert.deepStrictEqual(yield* titlesIn(file.library), ["good", "also good"])
    }))

  it.effect("rejects the lines that the database refuses, and none of their neighbours", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`alter table blocks add constraint no_frogs check (title not like '%frog%')`
      const bad = [3, 250, 251, 499]
      const lines = blocks(linesMax + 100).map((line, at) => bad.includes(at) ? block(`a frog ${at}`) : line)
      const file = fileOf(lines)
      const { outcome, rejects } = yield* run(file)
      yield* sql`alter table blocks drop constraint no_frogs`
      assert.deepStrictEqual(rejects.map(([line]) => line), bad.map((at) => at + 1))
      assert.match(String(rejects[0]![1]), /^the database refused it: .*no_frogs/)
      assert.include(outcome.to, { imported: file.lines - bad.length, rejected: bad.length })
      assert.lengthOf(yield* titlesIn(file.library), file.lines - bad.length)
    }))
})
