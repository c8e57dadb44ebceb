/** An import against a real PostgreSQL: what is written, what is refused, and where it goes on after it was stopped. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, References, Stream } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import * as EntityStorePostgres from "../../layers/postgres/EntityStorePostgres.ts"
import * as ImportProgressPostgres from "../../layers/postgres/ImportProgressPostgres.ts"
import * as OutboxPostgres from "../../layers/postgres/OutboxPostgres.ts"
import { layerTransaction } from "../../layers/postgres/PostgresClient.ts"
import * as TagNamesPostgres from "../../layers/postgres/TagNamesPostgres.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { linesMax, type Reject, type Standing } from "../../src/import/ImportBatch.ts"
import { ImportProgress } from "../../src/import/ImportProgress.ts"
import { Imports, SourceBroken } from "../../src/import/Imports.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import * as PostgresForTests from "../support/PostgresForTests.ts"

const stores = Imports.layer.pipe(
  Layer.provideMerge(Catalog.layer),
  Layer.provideMerge(Layer.mergeAll(
    EntityStorePostgres.layer,
    OutboxPostgres.layer,
    TagNamesPostgres.layer,
    ImportProgressPostgres.layer
  )),
  Layer.provideMerge(layerTransaction),
  Layer.provideMerge(Layer.mergeAll(
    PostgresForTests.layer,
    SecureRandom.layerWebCrypto,
    Layer.succeed(References.TracerEnabled, false)
  ))
)

let files = 0

/** Lines that no other test has: an import is known by its content. */
const fileOf = (lines: ReadonlyArray<string>) => {
  const bytes = new TextEncoder().encode(`${lines.join("\n")}\n`)
  const library = `library ${++files}`
  return {
    library,
    lines: lines.length,
    bytes,
    source: {
      sha256: createHash("sha256").update(library).update(bytes).digest("hex"),
      library: { name: library, asked: false },
      read: (offset: number): Stream.Stream<Uint8Array, SourceBroken> =>
        offset >= bytes.length ? Stream.empty : Stream.make(bytes.slice(offset))
    }
  }
}
type File = ReturnType<typeof fileOf>

const block = (title: string, more: object = {}) => JSON.stringify({ title, body: `about ${title}`, ...more })
const blocks = (count: number) => Array.from({ length: count }, (_, at) => block(`title ${at}`))

const run = Effect.fnUntraced(function*(
  file: File,
  options: { readonly again?: boolean; readonly onMove?: (standing: Standing) => Effect.Effect<void> } = {}
) {
  const imports = yield* Imports
  const rejects: Array<Reject> = []
  const outcome = yield* imports.run(file.source, {
    again: options.again ?? false,
    onBegin: () => Effect.void,
    onReject: (some) => Effect.sync(() => rejects.push(...some)),
    onMove: options.onMove ?? (() => Effect.void)
  })
  return { outcome, rejects: rejects.map(({ line, reason }) => [line, reason]) }
})

const titlesIn = (library: string) =>
  SqlClient.SqlClient.use((sql) =>
    Effect.map(
      sql<{ readonly title: string }>`
        select title from blocks join libraries on libraries.id = library_id where libraries.name = ${library}
        order by blocks.id`,
      (rows) => rows.map(({ title }) => title)
    ))

const recordOf = (file: File) => ImportProgress.use((progress) => progress.find(file.source.sha256))

layer(stores, { excludeTestServices: true })("An import", (it) => {
  it.effect("writes a block a line in the order of the file, each with its outbox rows", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(2 * linesMax + 7))
      const { outcome, rejects } = yield* run(file)
      assert.isEmpty(rejects)
      assert.include(outcome.to, { imported: file.lines, rejected: 0, nextLine: file.lines + 1, offset: file.bytes.length })
      assert.deepStrictEqual(yield* titlesIn(file.library), Array.from({ length: file.lines }, (_, at) => `title ${at}`))
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
      const titles = ["Straße", "日本語", "😀 emoji", "e\u0301 apart", "a\\b'c\"d$1", "{1,2}", "tab\tnew\nline", "\u202Eright"]
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
      const file = fileOf(blocks(linesMax + 1).map((line) => JSON.stringify({ ...JSON.parse(line), tags: ["short-lived"] })))
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
      const file = fileOf(["nope", block("good"), "", "{\"title\":\"\",\"body\":\"\"}", block("also good"), block("x", { y: 1 })])
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

  it.effect("goes on at the first line that is not committed, wherever it was stopped", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(4 * linesMax + 123))
      const broken = (upTo: number): File => ({
        ...file,
        source: {
          ...file.source,
          read: (offset) =>
            Stream.concat(
              Stream.make(file.bytes.slice(offset, upTo)),
              Stream.fail(new SourceBroken({ reason: "unplugged" }))
            )
        }
      })
      for (const upTo of [0, 0.3, 0.31, 0.7, 1].map((part) => Math.round(part * file.bytes.length))) {
        const error = yield* Effect.flip(run(broken(upTo)))
        assert.instanceOf(error, SourceBroken)
        const record = yield* recordOf(file)
        assert.strictEqual(record!.standing.imported, record!.standing.nextLine - 1)
        assert.lengthOf(yield* titlesIn(file.library), record!.standing.imported)
      }
      const { outcome } = yield* run(file)
      assert.isAbove(outcome.from.nextLine, 4 * linesMax)
      assert.deepStrictEqual(yield* titlesIn(file.library), Array.from({ length: file.lines }, (_, at) => `title ${at}`))
    }))

  it.effect("takes nothing for a line that the file's end did not end", () =>
    Effect.gen(function*() {
      const file = fileOf([block("whole"), block("cut in the middle")])
      const cut = new TextEncoder().encode(`${block("whole")}\n{"title":"cut","body":""}`)
      const source = {
        ...file.source,
        read: () => Stream.concat(Stream.make(cut), Stream.fail(new SourceBroken({ reason: "unplugged" })))
      }
      yield* Effect.flip(run({ ...file, source }))
      assert.isEmpty(yield* titlesIn(file.library))
    }))

  it.effect("of a file that is finished does nothing, unless it is asked to do it again", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(3))
      yield* run(file)
      const second = yield* run(file)
      assert.isTrue(second.outcome.before)
      assert.lengthOf(yield* titlesIn(file.library), 3)
      const third = yield* run(file, { again: true })
      assert.isFalse(third.outcome.before)
      assert.include(third.outcome.to, { imported: 3 })
      assert.lengthOf(yield* titlesIn(file.library), 6)
    }))

  it.effect("that was asked for again goes on when it is asked for again once more", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(2 * linesMax))
      yield* run(file)
      yield* run(file, { again: true, onMove: () => Effect.die("killed") }).pipe(Effect.exit)
      assert.include((yield* recordOf(file))!.standing, { imported: linesMax })
      yield* run(file, { again: true })
      assert.lengthOf(yield* titlesIn(file.library), 2 * file.lines)
    }))

  it.effect("keeps to the library it was begun with", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(2 * linesMax))
      yield* run(file, { onMove: () => Effect.die("killed") }).pipe(Effect.exit)
      const other = (asked: boolean): File => ({
        ...file,
        source: { ...file.source, library: { name: "another", asked } }
      })
      const error = yield* Effect.flip(run(other(true)))
      assert.match(error.message, /begun with library "library \d+"/)
      assert.include((yield* run(other(false))).outcome.to, { imported: file.lines })
      assert.lengthOf(yield* titlesIn(file.library), file.lines)
      assert.match((yield* Effect.flip(run(other(true)))).message, /--again/)
    }))

  it.effect("refuses a file that another session imports", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(1))
      const error = yield* Effect.scoped(Effect.gen(function*() {
        yield* ImportProgress.use((progress) => progress.hold(file.source.sha256))
        return yield* Effect.flip(run(file))
      }))
      assert.strictEqual(error._tag, "ImportRunning")
      assert.include((yield* run(file)).outcome.to, { imported: 1 })
    }))

  it.effect("writes nothing twice when two that believe to be alone go on from the same line", () =>
    Effect.gen(function*() {
      const file = fileOf(blocks(2 * linesMax))
      const [progress, transaction] = [yield* ImportProgress, yield* Transaction]
      let moved = false
      const error = yield* Effect.flip(run(file, {
        onMove: (standing) =>
          Effect.gen(function*() {
            if (moved) return
            moved = true
            const further = { ...standing, nextLine: standing.nextLine + 1, rejected: 1 }
            yield* transaction.run(progress.advance(file.source.sha256, standing, further))
          }).pipe(Effect.orDie)
      }))
      assert.strictEqual(error._tag, "ImportMoved")
      assert.lengthOf(yield* titlesIn(file.library), linesMax)
    }))
})

describe("An empty file", () => {
  it.live("is imported at once", () =>
    Effect.gen(function*() {
      const { outcome } = yield* run({ ...fileOf([]), bytes: new Uint8Array(), source: { ...fileOf([]).source, read: () => Stream.empty } })
      assert.include(outcome.to, { imported: 0, nextLine: 1 })
    }).pipe(Effect.provide(stores)))
})
