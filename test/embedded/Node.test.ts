/** A program started with an old Node behaves as if it had been started with the packaged one. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { gone, unless } from "./fixtures/Homes.ts"
import { eventually, fixture, run } from "./fixtures/Running.ts"

const isOld = (node: string): boolean => {
  try {
    const version = execFileSync(node, ["-p", "process.versions.node"], { stdio: "pipe" }).toString()
    const [major = 0, minor = 0] = version.split(".").map(Number)
    return major < 22 || (major === 22 && minor < 19)
  } catch {
    return false
  }
}

const folders = [...(process.env["PATH"] ?? "").split(Path.delimiter), "/usr/local/bin", "/usr/bin"]
const candidates = [process.env["WORDLOOM_OLD_NODE"] ?? "", ...folders.map((folder) => Path.join(folder, "node"))]
const oldNode = candidates.find(isOld) ?? ""
const named = unless(oldNode === "" ? "no Node older than 22.19: set WORDLOOM_OLD_NODE" : undefined)

const onOldNode = (name: string, test: () => Effect.Effect<void, never, Scope.Scope>) => {
  const { name: shown, skip } = named(name)
  it.live.skipIf(skip)(shown, test, 120_000)
}

const program = (...args: ReadonlyArray<string>) => run(oldNode, [fixture("program.js"), ...args])

describe("A program on an old Node", () => {
  onOldNode("runs on the packaged one, with its arguments, and ends as it ends", () =>
    Effect.gen(function*() {
      const running = yield* run(oldNode, ["--no-warnings", fixture("program.js"), "report", "two words", "--flag", ""])
      assert.deepStrictEqual(yield* running.ended, { code: 7, signal: null })
      const { execArgv, pid, rest, version, ...environment } = JSON.parse(running.lines()[0]!)
      assert.isFalse(version.startsWith("20."))
      assert.notStrictEqual(pid, running.pid)
      assert.deepStrictEqual(execArgv, ["--no-warnings"])
      assert.deepStrictEqual(rest, ["two words", "--flag", ""])
      // What marks the child must not reach what the child starts.
      assert.deepStrictEqual(environment, {})
      assert.strictEqual(running.errors(), "")
    }))

  onOldNode("gets the signals that are sent to the one who started it", () =>
    Effect.gen(function*() {
      const running = yield* program("listen", "3")
      yield* running.line("ready")
      for (const signal of ["SIGHUP", "SIGUSR2", "SIGINT", "SIGTERM"] as const) {
        process.kill(running.pid, signal)
        yield* running.line(`got ${signal}`)
      }
      assert.deepStrictEqual(yield* running.ended, { code: 3, signal: null })
      assert.include(running.lines().at(-1), JSON.stringify({ SIGHUP: 1, SIGUSR2: 1, SIGINT: 1, SIGTERM: 1 }))
    }))

  onOldNode("gets a terminal's Ctrl-C once, though it reaches both", () =>
    Effect.gen(function*() {
      const running = yield* program("listen", "0")
      yield* running.line("ready")
      process.kill(-running.pid, "SIGINT")
      yield* running.line("got SIGINT")
      // Sent to the parent alone and so behind a second copy, if there were one.
      process.kill(running.pid, "SIGTERM")
      yield* running.ended
      assert.include(running.lines().at(-1), JSON.stringify({ SIGINT: 1, SIGTERM: 1 }))
    }))

  onOldNode("gets each Ctrl-C of an impatient user", () =>
    Effect.gen(function*() {
      const running = yield* program("listen", "0")
      yield* running.line("ready")
      for (const count of [1, 2, 3]) {
        process.kill(-running.pid, "SIGINT")
        yield* eventually(() => running.lines().filter((line) => line === "got SIGINT").length === count)
      }
      process.kill(running.pid, "SIGTERM")
      yield* running.ended
      assert.include(running.lines().at(-1), JSON.stringify({ SIGINT: 3, SIGTERM: 1 }))
    }))

  onOldNode("dies of a signal it does not handle, and is seen to", () =>
    Effect.gen(function*() {
      for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"] as const) {
        const running = yield* program("ignore")
        yield* running.line("ready")
        process.kill(running.pid, signal)
        assert.deepStrictEqual(yield* running.ended, { code: null, signal })
      }
      const killed = yield* program("ignore")
      process.kill(Number((yield* killed.line("ready")).slice("ready ".length)), "SIGKILL")
      assert.deepStrictEqual(yield* killed.ended, { code: null, signal: "SIGKILL" })
    }))

  onOldNode("ends gracefully when the one who started it is killed", () =>
    Effect.gen(function*() {
      const running = yield* program("listen", "0")
      const child = Number((yield* running.line("ready")).slice("ready ".length))
      process.kill(running.pid, "SIGKILL")
      yield* running.line("got SIGTERM")
      yield* gone(child)
    }))

  onOldNode("says in one line what to install when there is no packaged Node", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "wordloom-node-"))),
        (created) => Effect.sync(() => Fs.rmSync(created, { recursive: true }))
      )
      Fs.copyFileSync(Path.join(import.meta.dirname, "../../programs/node.js"), Path.join(folder, "node.mjs"))
      const entry = Path.join(folder, "program.mjs")
      Fs.writeFileSync(entry, `import { run } from "./node.mjs"\nawait run(import.meta.url, async () => {})\n`)
      const running = yield* run(oldNode, [entry])
      assert.deepStrictEqual(yield* running.ended, { code: 1, signal: null })
      assert.match(running.errors(), /^wordloom needs Node 22\.19 or newer.*npm ci.*\n$/)
      assert.isEmpty(running.lines())
    }))
})

describe("A program on a new Node", () => {
  it.live("runs where it was started", () =>
    Effect.gen(function*() {
      const running = yield* run(process.execPath, [fixture("program.js"), "report"])
      assert.deepStrictEqual(yield* running.ended, { code: 7, signal: null })
      assert.strictEqual(JSON.parse(running.lines()[0]!).pid, running.pid)
    }), 120_000)
})
