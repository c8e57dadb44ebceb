/** What heals by itself: crashes of the server, of the machine, and of a program that was starting it. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as EmbeddedPostgres from "../../layers/embedded/EmbeddedPostgres.ts"
import { isAlive } from "../../layers/embedded/ProcessFacts.ts"
import { gone, isRoot, postmasterPid, query, temporaryHome, untilAnswered } from "./fixtures/Homes.ts"
import { run } from "./fixtures/Running.ts"

const timeout = 120_000

const pidFile = (home: string) => Path.join(home, "postgres", "postmaster.pid")

const scope = Scope.makeUnsafe()
let template = ""

beforeAll(() =>
  Effect.runPromise(Effect.gen(function*() {
    template = yield* Scope.provide(temporaryHome(), scope)
    yield* Effect.scoped(Effect.gen(function*() {
      const server = yield* EmbeddedPostgres.acquire(template)
      yield* query(server, "create table kept as select 1 as one")
    }))
  }))
)
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** A home whose last server stopped cleanly. Copied by root it belongs to root, as after a restored backup. */
const usedHome = Effect.fnUntraced(function*() {
  const home = yield* temporaryHome()
  Fs.cpSync(template, home, { recursive: true })
  return home
})

/** Of whoever the server runs as. */
const serverUser = () => {
  const { gid, uid } = Fs.statSync(Path.join(template, "postgres"))
  return { gid, uid }
}

/** A process of the server's own user: PostgreSQL takes one of those for its postmaster, and of no other. */
const bystander = Effect.suspend(() => run("sleep", ["600"], isRoot ? serverUser() : {}))

const writePidFile = (home: string, pid: number, port: number, status: string) => {
  const { gid, uid } = serverUser()
  const data = Path.join(home, "postgres")
  Fs.writeFileSync(pidFile(home), `${pid}\n${data}\n1700000000\n${port}\n\n127.0.0.1\n   123 456\n${status}\n`)
  Fs.chownSync(pidFile(home), uid, gid)
}

describe("Recovery", () => {
  it.live("a postmaster.pid that names an unrelated process is no obstacle", () =>
    Effect.gen(function*() {
      const home = yield* usedHome()
      for (const status of ["ready", "starting", "stopping"]) {
        const other = yield* bystander
        writePidFile(home, other.pid, 5432, status)
        yield* Effect.scoped(Effect.gen(function*() {
          const server = yield* EmbeddedPostgres.acquire(home)
          assert.deepStrictEqual(yield* query(server, "select one from kept"), [[1]])
        }))
        assert.isTrue(isAlive(other.pid))
      }
    }), timeout)

  it.live("neither is one that names nobody, or is empty", () =>
    Effect.gen(function*() {
      const home = yield* usedHome()
      const nobody = yield* run("true", [])
      yield* nobody.ended
      writePidFile(home, nobody.pid, 5432, "ready")
      yield* Effect.scoped(EmbeddedPostgres.acquire(home))

      Fs.writeFileSync(pidFile(home), "")
      Fs.utimesSync(pidFile(home), 1_700_000_000, 1_700_000_000)
      yield* Effect.scoped(EmbeddedPostgres.acquire(home))
      assert.isUndefined(postmasterPid(home))
    }), timeout)

  it.live("a server that was killed is started again for those who use it, where it was", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      const first = yield* EmbeddedPostgres.acquire(home)
      yield* Effect.scoped(Effect.gen(function*() {
        const second = yield* EmbeddedPostgres.acquire(home)
        yield* query(second, "create table kept as select 1 as one")

        const killed = postmasterPid(home)!
        process.kill(killed, "SIGKILL")
        yield* gone(killed)
        yield* untilAnswered(second, "select count(*)::int from pg_locks where locktype = 'advisory'", [[2]])
      }))
      // Both count again, so that the second did not stop the server of the first.
      assert.deepStrictEqual(yield* query(first, "select one from kept"), [[1]])
    }), timeout)

  it.live("a server that was killed while nobody used it is simply started", () =>
    Effect.gen(function*() {
      const home = yield* usedHome()
      yield* Effect.scoped(Effect.gen(function*() {
        yield* EmbeddedPostgres.acquire(home)
        process.kill(postmasterPid(home)!, "SIGKILL")
      }))
      const server = yield* EmbeddedPostgres.acquire(home)
      assert.deepStrictEqual(yield* query(server, "select one from kept"), [[1]])
    }), timeout)

  it.live(
    "what a crashed first start left behind is cleared away, and one that still runs is not",
    () =>
      Effect.gen(function*() {
        const home = yield* temporaryHome()
        const crashed = yield* run("true", [])
        yield* crashed.ended
        const running = yield* run("sleep", ["600"])
        for (const pid of [crashed.pid, running.pid]) {
          Fs.mkdirSync(Path.join(home, `postgres.init-${pid}-abc`, "data"), { recursive: true })
        }
        yield* EmbeddedPostgres.acquire(home)
        assert.deepStrictEqual(
          Fs.readdirSync(home).filter((name) => name.startsWith("postgres.init-")),
          [`postgres.init-${running.pid}-abc`]
        )
      }),
    timeout
  )

  it.live("a log that has grown large is set aside", () =>
    Effect.gen(function*() {
      const home = yield* usedHome()
      const log = Path.join(home, "postgres.log")
      Fs.truncateSync(log, 11 * 1024 * 1024)
      yield* EmbeddedPostgres.acquire(home)
      assert.isBelow(Fs.statSync(log).size, 100_000)
      assert.isAbove(Fs.statSync(`${log}.1`).size, 10 * 1024 * 1024)
    }), timeout)

  it.live("a server that cannot start says why, in one line, and is not waited for", () =>
    Effect.gen(function*() {
      const home = yield* usedHome()
      Fs.appendFileSync(Path.join(home, "postgres", "postgresql.conf"), "\nno_such_setting = 1\n")
      const error = yield* EmbeddedPostgres.acquire(home).pipe(Effect.flip)
      assert.strictEqual(error.reason, "StartFailed")
      assert.include(error.message, "no_such_setting")
      assert.notInclude(error.message, "\n")
    }), timeout)
})
