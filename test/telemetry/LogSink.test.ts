/** What becomes of log lines that standard output does not take. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as LogSink from "../../layers/telemetry/LogSink.ts"

/** Takes a text only when it is told to. */
const reluctant = () => {
  const taken: Array<string> = []
  let take: ((error?: unknown) => void) | undefined
  return {
    taken,
    asked: () => take !== undefined,
    answer: (error?: unknown) => {
      const done = take
      take = undefined
      done?.(error)
    },
    output: {
      write: (text: string, done: (error?: unknown) => void) => {
        assert.isUndefined(take, "one text at a time")
        taken.push(text)
        take = done
      },
      last: (text: string) => void taken.push(text)
    }
  }
}

const lost = (lines: number) => `lost ${lines}`

describe("standard output as a log's sink", () => {
  it("gets whole lines in their order, many at once when it is slow", () => {
    const { answer, output, taken } = reluctant()
    const sink = LogSink.make(output, lost)
    for (const line of ["a", "b", "c"]) sink.write(line)
    assert.deepStrictEqual(taken, ["a\n"])
    answer()
    assert.deepStrictEqual(taken, ["a\n", "b\nc\n"])
  })

  it("loses what finds no room, and tells how much once it flows again", () => {
    const { answer, asked, output, taken } = reluctant()
    const sink = LogSink.make(output, lost, 8)
    for (const line of ["aaa", "bbb", "ccc", "ddd", "eee"]) sink.write(line)
    while (asked()) answer()
    assert.deepStrictEqual(taken, ["aaa\n", "bbb\nccc\n", "lost 2\n"])
    sink.write("fff")
    assert.strictEqual(taken.at(-1), "fff\n")
  })

  it("may refuse everything, or throw, without anybody hearing of it", () => {
    const { answer, output, taken } = reluctant()
    const sink = LogSink.make(output, lost)
    sink.write("a")
    answer(new Error("no room"))
    sink.write("b")
    answer()
    assert.deepStrictEqual(taken, ["a\n", "b\n", "lost 1\n"])
    const thrower = LogSink.make({ ...output, write: () => assert.fail("broken") }, lost)
    for (let line = 0; line < 10_000; line++) thrower.write("a line")
  })

  it.effect("is waited for until it has everything, and given the rest at the very end", () =>
    Effect.gen(function*() {
      const { answer, output, taken } = reluctant()
      const sink = LogSink.make(output, lost)
      sink.write("a")
      const waiting = yield* Effect.forkChild(sink.drained, { startImmediately: true })
      answer()
      yield* Fiber.join(waiting)
      sink.write("b")
      sink.write("c")
      sink.flush()
      assert.deepStrictEqual(taken, ["a\n", "b\n", "c\n"])
    }))
})
