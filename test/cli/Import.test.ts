/** `wordloom import` as its own process: killed at any moment, started twice, given a file with mistakes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { otlpReceiver } from "../support/OtlpReceiver.ts"
import { until } from "../support/Programs.ts"
import { tcpProxy } from "../support/TcpProxy.ts"
import { database, ended, fileOf, started, wordloom } from "./Commands.ts"

const block = (title: string, more: object = {}) => JSON.stringify({ title, body: `about ${title}`, ...more })

const blocks = (count: number) =>
  Array.from({ length: count }, (_, at) => block(`title ${at}`, { tags: [`tag ${at % 50}`] }))

type Query = Effect.Success<typeof database>["query"]

const counts = (query: Query) =>
  Effect.map(
    query<{ readonly blocks: number; readonly titles: number; readonly search: number; readonly chronicle: number }>(`
      select count(*)::int as blocks, count(distinct title)::int as titles,
        (select count(*)::int from search_outbox_events where entity_type = 'block') as search,
        (select count(*)::int from chronicle_outbox_events where entity_type = 'block') as chronicle from blocks`),
    (rows) => ({ ...rows[0]! })
  )

const nextLine = (query: Query) =>
  Effect.map(
    query<{ readonly line: number }>("select next_line::int as line from imports"),
    (rows) => rows[0]?.line ?? 0
  )

describe("wordloom import", () => {
  it.live("that is killed at any moment and started again loses no line and doubles none", () =>
    Effect.gen(function*() {
      const { env, query } = yield* database
      yield* wordloom(["migrate"], env)
      const lines = 12_000
      const file = yield* fileOf(
        blocks(lines).flatMap((line, at) => at % 1_000 === 999 ? [line, "not a block"] : [line])
      )
      const rejects = join(dirname(file), "rejects.jsonl")
      const command = ["import", file, "--rejects", rejects]
      const total = lines + lines / 1_000
      let resumed = 0
      for (const part of [0.15, 0.4, 0.75]) {
        const from = yield* nextLine(query)
        const goal = Math.floor((part + Math.random() * 0.2) * total)
        const program = yield* started(command, env)
        yield* Effect.promise(() =>
          until(`line ${goal}`, () => Effect.runPromise(Effect.map(nextLine(query), (line) => line >= goal)))
        )
        yield* Effect.promise(() => program.stop("SIGKILL"))
        assert.strictEqual(program.process.signalCode, "SIGKILL")
        if (from > 1) {
          assert.include(program.errors(), `resuming at line ${from}\n`)
          resumed++
        }
        const { blocks, titles } = yield* counts(query)
        assert.strictEqual(blocks, titles)
      }
      const last = yield* nextLine(query)
      const { code, err, out } = yield* wordloom([...command, "--json"], env)
      assert.strictEqual(code, 0, err)
      assert.include(err, `resuming at line ${last}\n`)
      assert.isAbove(resumed, 0)
      assert.deepStrictEqual(yield* counts(query), { blocks: lines, titles: lines, search: lines, chronicle: lines })
      assert.include(JSON.parse(out), {
        status: "imported",
        lines: total,
        imported: lines,
        rejected: lines / 1_000,
        resumed_at_line: last
      })
      const told = readFileSync(rejects, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line))
      assert.deepStrictEqual(told.map(({ line }) => line), Array.from({ length: 12 }, (_, at) => (at + 1) * 1_001))
      assert.include(told[0], { text: "not a block" })
      assert.match(told[0].reason, /^not JSON/)
    }))

  it.live("of a file that is finished says so, and imports it anew only when asked", () =>
    Effect.gen(function*() {
      const { env, query } = yield* database
      const file = yield* fileOf(blocks(3))
      const first = yield* wordloom(["import", file], env)
      assert.match(first.out, /^some words\.jsonl: 3 lines, 3 imported, 0 rejected; [\d.]+ s, [\d,]+ blocks\/s\n$/)
      const second = yield* wordloom(["import", file], env)
      assert.strictEqual(second.code, 0)
      assert.match(second.out, /was imported already at \d{4}-.*: 3 lines, 3 imported, 0 rejected\. --again/)
      const copy = yield* fileOf(blocks(3), "another name.jsonl")
      const third = JSON.parse((yield* wordloom(["import", copy, "--json"], env)).out)
      assert.include(third, { status: "already_imported", library: "some words", imported: 3, blocks_per_second: 0 })
      assert.include(yield* counts(query), { blocks: 3 })
      const asked = yield* wordloom(["import", file, "--library", "elsewhere"], env)
      assert.strictEqual(asked.code, 2)
      assert.match(asked.err, /imported with library "some words" already: --again/)
      assert.include(yield* wordloom(["import", file, "--again", "--library", "elsewhere"], env), { code: 0 })
      const names = yield* query<{ readonly name: string }>("select name from libraries order by id")
      assert.deepStrictEqual(names.map(({ name }) => name), ["some words", "elsewhere"])
    }))

  it.live("that is started while another one imports the same file refuses, and the other goes on", () =>
    Effect.gen(function*() {
      const { env, pool, query } = yield* database
      yield* wordloom(["migrate"], env)
      const file = yield* fileOf(blocks(10))
      const first = yield* started(["import", file, "--json"], env)
      // The first one cannot write a block while this is held, so that the second one surely finds it at work.
      const second = yield* SqlClient.SqlClient.use((sql) =>
        sql.withTransaction(Effect.gen(function*() {
          yield* sql`lock table blocks in share mode`
          yield* Effect.promise(() =>
            until("the import to begin", () => Effect.runPromise(Effect.map(nextLine(query), (line) => line > 0)))
          )
          return yield* wordloom(["import", file], env)
        }))
      ).pipe(Effect.provide(pool))
      assert.include(second, { code: 1, out: "", err: "this file is being imported already, by another process\n" })
      const { code, out } = yield* ended(first)
      assert.strictEqual(code, 0)
      assert.include(JSON.parse(out), { imported: 10 })
      assert.include(yield* counts(query), { blocks: 10 })
    }))

  it.live("reports the first hundred rejects to people, and all of them to a file", () =>
    Effect.gen(function*() {
      const { env } = yield* database
      const long = `{"title":"${"x".repeat(1_048_577)}","body":""}`
      const file = yield* fileOf([block("good"), long, ...Array.from({ length: 130 }, () => "{}")])
      const rejects = join(dirname(file), "rejects.jsonl")
      const { code, err, out } = yield* wordloom(["import", file, "--rejects", rejects, "--json"], env)
      assert.strictEqual(code, 0)
      const told = err.trimEnd().split("\n")
      assert.lengthOf(told, 101)
      assert.strictEqual(told[0], "line 2: longer than 1048576 bytes")
      assert.strictEqual(told[1], "line 3: title: is required; body: is required")
      assert.strictEqual(told[100], "and 31 more rejected lines")
      assert.include(JSON.parse(out), { lines: 132, imported: 1, rejected: 131 })
      const written = readFileSync(rejects, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line))
      assert.lengthOf(written, 131)
      assert.deepStrictEqual(written[0], { line: 2, reason: "longer than 1048576 bytes" })
    }))

  it.live("fails with 1 when no line could be imported", () =>
    Effect.gen(function*() {
      const { env } = yield* database
      const { code, err, out } = yield* wordloom(["import", yield* fileOf(["{}", "x"]), "--json"], env)
      assert.strictEqual(code, 1)
      assert.match(err, /no line could be imported\n$/)
      assert.include(JSON.parse(out), { imported: 0, rejected: 2 })
    }))

  it.live("never writes its rejects over the file that it reads", () =>
    Effect.gen(function*() {
      const { env } = yield* database
      const file = yield* fileOf(["{}"])
      const { code, err } = yield* wordloom(["import", file, "--rejects", file], env)
      assert.strictEqual(code, 2)
      assert.match(err, /--rejects must not name the file that is imported/)
      assert.strictEqual(readFileSync(file, "utf8"), "{}\n")
    }))

  it.live("reads a file without a last line break, and one that is empty", () =>
    Effect.gen(function*() {
      const { env, query } = yield* database
      const file = yield* fileOf([])
      assert.include(yield* wordloom(["import", file], env), { code: 0 })
      writeFileSync(file, `\uFEFF${block("größe 日本語 😀")}\r\n${block("last")}`)
      assert.include(JSON.parse((yield* wordloom(["import", file, "--json"], env)).out), { lines: 2, imported: 2 })
      const titles = yield* query<{ readonly title: string }>("select title from blocks order by id")
      assert.deepStrictEqual(titles.map(({ title }) => title), ["größe 日本語 😀", "last"])
    }))

  it.live("leaves a trace a batch, that every row of the batch leads back to", () =>
    Effect.gen(function*() {
      const { env, query } = yield* database
      const receiver = yield* Effect.acquireRelease(
        Effect.promise(otlpReceiver),
        ({ stop }) => Effect.promise(stop)
      )
      const tracing = { WORDLOOM_TRACING: "export", OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }
      assert.include(yield* wordloom(["import", yield* fileOf(blocks(600))], { ...env, ...tracing }), { code: 0 })
      const batches = receiver.spans.filter(({ name }) => name === "import.batch")
      assert.deepStrictEqual(batches.map(({ attributes }) => attributes["lines"]), [500, 100])
      for (const { parentSpanId, service } of batches) {
        assert.deepStrictEqual([service, parentSpanId], ["wordloom-cli", ""])
      }
      const below = (name: string) =>
        receiver.spans.filter((span) =>
          span.name === name &&
          batches.some(({ spanId, traceId }) => spanId === span.parentSpanId && traceId === span.traceId)
        )
      assert.isNotEmpty(below("db.tx"))
      const enqueued = new Set(below("outbox.enqueue").map(({ spanId, traceId }) => `00-${traceId}-${spanId}-01`))
      const rows = yield* query<{ readonly traceparent: string }>(`
        select traceparent from search_outbox_events union all select traceparent from chronicle_outbox_events`)
      assert.lengthOf(rows, 2 * (600 + 50 + 1))
      assert.isTrue(rows.every(({ traceparent }) => enqueued.has(traceparent)))
    }))

  it.live("ends with 2 when the database stays away, and goes on once it is back", () =>
    Effect.gen(function*() {
      const { env, query } = yield* database
      yield* wordloom(["migrate"], env)
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(() => tcpProxy(env.DATABASE_URL)),
        ({ stop }) => Effect.promise(stop)
      )
      const file = yield* fileOf(blocks(20_000))
      const program = yield* started(["import", file], { DATABASE_URL: proxy.url })
      yield* Effect.promise(() =>
        until("a batch", () => Effect.runPromise(Effect.map(nextLine(query), (line) => line > 1)))
      )
      proxy.cut()
      const away = yield* ended(program)
      assert.include(away, { code: 2, out: "" })
      assert.match(away.err, /stopped before its end; the same command goes on with it\nthe database did not answer\n$/)
      proxy.restore()
      assert.include(yield* wordloom(["import", file], env), { code: 0 })
    }))

  it.live("stops in good order when it is told to, and goes on later", () =>
    Effect.gen(function*() {
      const { env, query } = yield* database
      yield* wordloom(["migrate"], env)
      const file = yield* fileOf(blocks(20_000))
      const program = yield* started(["import", file], env)
      yield* Effect.promise(() =>
        until("a batch", () => Effect.runPromise(Effect.map(nextLine(query), (line) => line > 1)))
      )
      yield* Effect.promise(() => program.stop("SIGINT"))
      assert.strictEqual(program.process.exitCode, 130)
      assert.include(program.errors(), "stopped before its end; the same command goes on with it")
      assert.include(yield* wordloom(["import", file], env), { code: 0 })
      assert.include(yield* counts(query), { blocks: 20_000, titles: 20_000 })
    }))
})
