/** Programs as separate processes: they start together, are killed, and come while another goes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as EmbeddedPostgres from "../../layers/embedded/EmbeddedPostgres.ts"
import { isAlive } from "../../layers/embedded/ProcessFacts.ts"
import { gone, postmasterPid, query, temporaryHome } from "./fixtures/Homes.ts"
import { eventually, fixture, run } from "./fixtures/Running.ts"

const timeout = 120_000

const program = (home: string) => run(process.execPath, [fixture("attach.ts"), home])

describe("Two programs with one home", () => {
  it.live("make one data folder and start one server, though both start first", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      const both = [yield* program(home), yield* program(home)]
      const [one, other] = yield* Effect.forEach(both, (each) => each.line("attached"), { concurrency: 2 })
      assert.strictEqual(one, other)
      assert.deepStrictEqual(
        Fs.readdirSync(home).toSorted(),
        ["postgres", "postgres.log", "postgres.password"]
      )
      const pid = postmasterPid(home)!
      for (const each of both) {
        assert.isTrue(isAlive(pid))
        process.kill(each.pid, "SIGTERM")
        yield* each.ended
      }
      assert.isFalse(isAlive(pid))
    }), timeout)

  it.live("leave nothing behind when the terminal stops both at once", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      const both = [yield* program(home), yield* program(home)]
      yield* Effect.forEach(both, (each) => each.line("attached"), { concurrency: 2 })
      const pid = postmasterPid(home)!
      for (const each of both) process.kill(-each.pid, "SIGINT")
      for (const each of both) yield* each.ended
      assert.isFalse(isAlive(pid))
    }), timeout)

  it.live("a killed one does not count", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      const killed = yield* program(home)
      yield* killed.line("attached")
      const pid = postmasterPid(home)!
      process.kill(killed.pid, "SIGKILL")
      yield* killed.ended
      assert.isTrue(isAlive(pid))

      yield* Effect.scoped(EmbeddedPostgres.acquire(home))
      assert.isFalse(isAlive(pid))
    }), timeout)

  it.live("stop a start that is interrupted, whatever it was doing", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      // Each of these is reached at another moment of the first start.
      for (const sign of ["postgres.init-", "postgres.log"]) {
        const interrupted = yield* program(home)
        yield* eventually(() => Fs.existsSync(home) && Fs.readdirSync(home).some((name) => name.startsWith(sign)))
        process.kill(interrupted.pid, "SIGTERM")
        yield* interrupted.ended
        const pid = postmasterPid(home)
        if (pid !== undefined) yield* gone(pid)
        assert.isEmpty(Fs.readdirSync(home).filter((name) => name.startsWith("postgres.init-")))
      }
      assert.isUndefined(postmasterPid(home))
    }), timeout)

  it.live("come and go at any moment, and never find the server missing", () =>
    Effect.gen(function*() {
      const home = yield* temporaryHome()
      const visit = Effect.scoped(Effect.gen(function*() {
        const server = yield* EmbeddedPostgres.acquire(home)
        yield* query(server, "create table if not exists visits (at timestamptz default now())").pipe(Effect.ignore)
        yield* query(server, "insert into visits default values")
      }))
      const visitor = Effect.repeat(visit, { times: 9 })
      yield* Effect.all([visitor, visitor, visitor], { concurrency: 3 })
      assert.isUndefined(postmasterPid(home))
      const server = yield* EmbeddedPostgres.acquire(home)
      assert.deepStrictEqual(yield* query(server, "select count(*)::int from visits"), [[30]])
    }), timeout)
})
