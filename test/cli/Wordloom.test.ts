/** Exit codes and output of the command line, from the outside. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { database, ended, started, wordloom } from "./Commands.ts"

const nowhere = { DATABASE_URL: "postgresql://somebody:secret@127.0.0.1:1/nothing" }

describe("wordloom", () => {
  it.live("explains itself, and each command, to who asks", () =>
    Effect.gen(function*() {
      for (
        const args of [
          [],
          ...["migrate", "config", "import", "outbox"].map((command) => [command]),
          ...["stats", "list", "replay", "pause", "resume"].map((command) => ["outbox", command])
        ]
      ) {
        const { code, err, out } = yield* wordloom([...args, "--help"])
        assert.deepStrictEqual([code, err], [0, ""], args.join(" "))
        assert.include(out, ["wordloom", ...args].join(" "))
      }
    }))

  it.live("says which version it is", () =>
    Effect.gen(function*() {
      const { code, out } = yield* wordloom(["--version"])
      assert.strictEqual(code, 0)
      assert.match(out, /^wordloom v\d+\.\d+\.\d+\n$/)
    }))

  it.live("answers wrong usage with 2 and a word or two, not with its whole manual", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [[], /^wordloom: which command\?/],
        [["outbox"], /^wordloom outbox: which command\?/],
        [["imprt"], /Unknown subcommand "imprt"[^]*import/],
        [["migrate", "--jsn"], /Unrecognized flag: --jsn/],
        [["import"], /Missing required argument: file\.jsonl/],
        [["import", "/nowhere/at/all.jsonl"], /there is no such file/],
        [["import", "/"], /is not a regular file/],
        [["import", import.meta.filename, "--library", " "], /--library must be a name/],
        [["outbox", "list", "--status", "lost"], /Invalid value for flag --status: "lost"/],
        [["outbox", "list", "--limit", "101"], /--limit must be a whole number from 1 to 100/],
        [["outbox", "list", "--entity-id", "7"], /--entity-id must be a UUID/],
        [["outbox", "list", "--trace-id", "7"], /--trace-id must be 32/],
        [["outbox", "pause"], /Missing required argument: projection/],
        [["outbox", "pause", "nowhere"], /nowhere[^]*search[^]*chronicle[^]*realtime/],
        [["outbox", "pause", "search", "--reason", "x".repeat(257)], /--reason must be at most 256 characters/],
        [["outbox", "resume", "nowhere"], /nowhere/],
        [["outbox", "resume", "search", "--reason", "so"], /Unrecognized flag: --reason/],
        [["outbox", "replay"], /Missing required flag: --projection/],
        [["outbox", "replay", "--projection", "search", "--after", "soon"], /--after must be a time/],
        // JavaScript takes the first for May 2001 and the second for 2 March.
        [["outbox", "replay", "--projection", "search", "--after", "5"], /--after must be a time/],
        [["outbox", "replay", "--projection", "search", "--before", "2026-02-30T00:00:00Z"], /--before must be a time/]
      ]
      for (const [args, message] of wrong) {
        const { code, err, out } = yield* wordloom(args, nowhere)
        assert.deepStrictEqual([code, out], [2, ""], `${args.join(" ")}: ${err}`)
        assert.match(err, message)
        assert.isAtMost(err.split("\n").length, 8)
        assert.notInclude(err, "USAGE")
      }
    }))

  it.live("answers with 2 and one line when the database cannot be reached", () =>
    Effect.gen(function*() {
      const outbox = [["outbox", "stats"], ["outbox", "list"], ["outbox", "pause", "search"]]
      for (const args of [["migrate"], ...outbox, ["import", import.meta.filename]]) {
        const { code, err, out } = yield* wordloom(args, nowhere)
        assert.deepStrictEqual([code, out], [2, ""], args.join(" "))
        assert.match(err, /^PostgreSQL at 127\.0\.0\.1:1, .*ECONNREFUSED.*\n$/)
        assert.notInclude(err, "secret")
      }
    }))

  it.live("calls no system healthy whose database it could not ask", () =>
    Effect.gen(function*() {
      const { code, out } = yield* wordloom(["doctor", "--json"], nowhere)
      assert.strictEqual(code, 2)
      assert.isFalse(JSON.parse(out).healthy)
    }))

  it.live("answers wrong settings with 78, whatever was to be done", () =>
    Effect.gen(function*() {
      for (const args of [["migrate"], ["config"], ["outbox", "stats"], ["import", import.meta.filename]]) {
        const { code, err } = yield* wordloom(args, { ...nowhere, OUTBOX_LEASE: "soon", PORT: "x" })
        assert.strictEqual(code, 78, args.join(" "))
        assert.deepStrictEqual(err.match(/^\w+=/gm)!.toSorted(), ["OUTBOX_LEASE=", "PORT="])
      }
    }))
})

describe("wordloom config", () => {
  it.live("shows every setting with its source, in columns, and connects to nothing", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* wordloom(["config"], { ...nowhere, PORT: "8123" })
      assert.deepStrictEqual([code, err], [0, ""])
      const [head, ...lines] = out.trimEnd().split("\n")
      const at = ["SETTING", "VALUE", "FROM", "MEANING"].map((title) => head!.indexOf(title))
      for (const line of lines) {
        for (const column of at.slice(1)) assert.match(line.slice(column - 2, column + 1), /^ {2}\S$/)
      }
      assert.match(out, /^WORDLOOM_HTTP_PORT +8123 +PORT +/m)
      assert.match(out, /^OUTBOX_BATCH_SIZE +500 +default +/m)
      assert.notInclude(out, "\x1b")
    }))

  it.live("never shows a secret, wherever it hides", () =>
    Effect.gen(function*() {
      const env = { ...nowhere, ELASTIC_API_KEY: "secret", ELASTIC_URL: "http://somebody:p@secret@127.0.0.1:9200" }
      for (const args of [["config"], ["config", "--json"]]) {
        const { code, err, out } = yield* wordloom(args, env)
        assert.strictEqual(code, 0)
        assert.notInclude(out + err, "secret")
      }
      const wrong = yield* wordloom(["config"], { DATABASE_URL: "secret", ELASTIC_URL: "ftp://somebody:secret@here" })
      assert.strictEqual(wrong.code, 78)
      assert.notInclude(wrong.out + wrong.err, "secret")
    }))

  it.live("prints JSON, with the mistakes too", () =>
    Effect.gen(function*() {
      const { code, out } = yield* wordloom(["config", "--json"], { OUTBOX_LEASE: "soon" })
      assert.strictEqual(code, 78)
      const { mistakes, settings } = JSON.parse(out)
      assert.deepStrictEqual(mistakes.map(({ name }: { readonly name: string }) => name), ["OUTBOX_LEASE"])
      const found = settings.find(({ name }: { readonly name: string }) => name === "WORDLOOM_HTTP_PORT")
      assert.include(found, { value: "8000", source: "default" })
    }))
})

describe("wordloom migrate", () => {
  it.live("says what it did, and that there is nothing left to do", () =>
    Effect.gen(function*() {
      const { env } = yield* database
      const first = yield* wordloom(["migrate"], env)
      assert.deepStrictEqual([first.code, first.err], [0, ""])
      assert.match(first.out, /^took these steps:\n {2}0001_entities\n/)
      assert.include(yield* wordloom(["migrate"], env), { code: 0, out: "nothing to do: the database is up to date\n" })
      assert.include(yield* wordloom(["migrate", "--json"], env), { code: 0, out: "{\"steps\":[]}\n" })
    }))

  it.live("answers with 2 when the message bus cannot be reached", () =>
    Effect.gen(function*() {
      const { env } = yield* database
      const { code, err } = yield* wordloom(["migrate"], { ...env, NATS_URL: "nats://127.0.0.1:1" })
      assert.strictEqual(code, 2)
      assert.match(err, /^NATS: .+\n$/)
    }))

  it.live("can be run by several at once on an empty database", () =>
    Effect.gen(function*() {
      const { env, query } = yield* database
      const programs = yield* Effect.forEach([1, 2, 3], () => started(["migrate", "--json"], env))
      const all = yield* Effect.forEach(programs, ended)
      assert.deepStrictEqual(all.map(({ code, err }) => [code, err]), [[0, ""], [0, ""], [0, ""]])
      const steps = all.map(({ out }) => JSON.parse(out).steps as ReadonlyArray<string>)
      assert.lengthOf(steps.filter(({ length }) => length > 0), 1)
      const [found] = yield* query<{ readonly steps: number }>("select count(*)::int as steps from wordloom_migrations")
      assert.strictEqual(found!.steps, steps.flat().length)
    }))

  it.live("fails with 1 when a step fails, and leaves nothing of it", () =>
    Effect.gen(function*() {
      const { env, query } = yield* database
      yield* query("create table blocks (in_the_way int)")
      const { code, err } = yield* wordloom(["migrate"], env)
      assert.strictEqual(code, 1)
      assert.match(err, /entities.*already exists/)
      const tables = yield* query<{ readonly name: string }>(
        "select relname as name from pg_class where relnamespace = 'public'::regnamespace::oid and relkind = 'r'"
      )
      assert.deepStrictEqual(tables.map(({ name }) => name), ["blocks"])
    }))
})
