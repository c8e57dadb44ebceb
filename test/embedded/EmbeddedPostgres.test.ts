/** What programs that share a home may rely on. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as EmbeddedPostgres from "../../layers/embedded/EmbeddedPostgres.ts"
import { isAlive } from "../../layers/embedded/ProcessFacts.ts"
import { isRoot, postmasterPid, query, temporaryHome, unless } from "./fixtures/Homes.ts"

const timeout = 120_000

const enter = (home: string) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const server = yield* Scope.provide(EmbeddedPostgres.acquire(home), scope)
    return { server, leave: Scope.close(scope, Exit.void) }
  })

describe("EmbeddedPostgres", () => {
  it.live("is one server for everyone, until the last one leaves", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      const first = yield* enter(home)
      const second = yield* enter(home)
      const pid = postmasterPid(home)!
      assert.deepStrictEqual(second.server, first.server)
      assert.isTrue(isAlive(pid))

      yield* first.leave
      assert.deepStrictEqual(yield* query(second.server, "select current_database()"), [["wordloom"]])
      assert.strictEqual(postmasterPid(home), pid)

      yield* second.leave
      assert.isFalse(isAlive(pid))
      assert.isUndefined(postmasterPid(home))
    }), timeout)

  it.live("keeps the data between two starts", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      yield* Effect.scoped(Effect.gen(function*() {
        const server = yield* EmbeddedPostgres.acquire(home)
        yield* query(server, "create table kept as select 'Ärger' as word")
      }))
      const server = yield* EmbeddedPostgres.acquire(home)
      assert.deepStrictEqual(yield* query(server, "select upper(word) from kept"), [["ÄRGER"]])
    }), timeout)

  it.live(
    "listens to this machine alone, asks for a password, and syncs what it commits",
    () =>
      Effect.gen(function*() {
        const home = yield* temporaryHome()
        const server = yield* EmbeddedPostgres.acquire(home)
        const shown = yield* query(
          server,
          `select current_setting('listen_addresses'), current_setting('unix_socket_directories'),
          current_setting('fsync'), current_setting('server_encoding')`
        )
        assert.deepStrictEqual(shown, [["127.0.0.1", "", "on", "UTF8"]])
        assert.strictEqual(Fs.statSync(Path.join(home, "postgres.password")).mode & 0o777, 0o600)

        const stranger = { ...server, password: Redacted.make("guessed") }
        const refused = yield* query(stranger, "select 1").pipe(Effect.flip)
        assert.strictEqual(refused.reason._tag, "AuthenticationError")
      }),
    timeout
  )

  const below = unless(isRoot ? undefined : "not root")("runs for root below a folder that only root may enter")
  it.live.skipIf(below.skip)(below.name, () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome(0o700)
      const server = yield* EmbeddedPostgres.acquire(home)
      yield* query(server, "create table written as select 1 as one")
      assert.notStrictEqual(Fs.statSync(`/proc/${postmasterPid(home)}`).uid, 0)
    }), timeout)

  it.live("leaves the data of another major version alone", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      const data = Path.join(home, "postgres")
      Fs.mkdirSync(data, { recursive: true })
      Fs.writeFileSync(Path.join(data, "PG_VERSION"), "9\n")
      const error = yield* EmbeddedPostgres.acquire(home).pipe(Effect.flip)
      assert.strictEqual(error.reason, "DataUnusable")
      assert.include(error.message, "belongs to PostgreSQL 9")
      assert.include(error.message, "DATABASE_URL")
      assert.notInclude(error.message, "\n")
      assert.deepStrictEqual(Fs.readdirSync(home), ["postgres"])
      assert.deepStrictEqual(Fs.readdirSync(data), ["PG_VERSION"])
    }), timeout)

  it.live("leaves a folder alone that is not its own", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      Fs.mkdirSync(Path.join(home, "postgres"), { recursive: true })
      Fs.writeFileSync(Path.join(home, "postgres", "thesis.txt"), "years of work")
      const error = yield* EmbeddedPostgres.acquire(home).pipe(Effect.flip)
      assert.strictEqual(error.reason, "DataUnusable")
      assert.deepStrictEqual(Fs.readdirSync(Path.join(home, "postgres")), ["thesis.txt"])
    }), timeout)

  it.live("does not replace a password that is lost", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      yield* Effect.scoped(EmbeddedPostgres.acquire(home))
      Fs.rmSync(Path.join(home, "postgres.password"))
      const error = yield* EmbeddedPostgres.acquire(home).pipe(Effect.flip)
      assert.include(error.message, "postgres.password")
      assert.isFalse(Fs.existsSync(Path.join(home, "postgres.password")))
    }), timeout)
})
