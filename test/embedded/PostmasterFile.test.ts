/** How a server is recognised by its postmaster.pid. */
import { assert, describe, it } from "@effect/vitest"
import { parse } from "../../layers/embedded/PostmasterFile.ts"

describe("PostmasterFile", () => {
  it("tells process, port and status of a server that is ready", () => {
    const { pid, port, status } = parse("4711\n/data\n1700000000\n5433\n\n127.0.0.1\n  1234  56\nready   \n")
    assert.deepStrictEqual({ pid, port, status }, { pid: 4711, port: 5433, status: "ready" })
  })

  it("tells what is there of one that is just being written", () => {
    const { pid, port, status } = parse("4711\n/data\n17")
    assert.deepStrictEqual({ pid, port, status }, { pid: 4711, port: undefined, status: "" })
    assert.strictEqual(parse("").pid, 0)
  })
})
