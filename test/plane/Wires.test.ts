/** Stages of a search in this process, over HTTP and over TCP; and who does not speak the plane's language. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { connect } from "node:net"
import { serve } from "../../layers/http/Serve.ts"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import * as RequestPlaneRemote from "../../layers/plane/RequestPlaneRemote.ts"
import * as StageServer from "../../layers/plane/StageServer.ts"
import * as Front from "../../src/plane/Front.ts"
import * as Stages from "../../src/plane/Stages.ts"
import type { SearchIndex } from "../../src/search/SearchIndex.ts"
import { parseQuery } from "../../src/search/SearchQuery.ts"
import { type PlaneOver, remoteSuite, suite } from "../conformance/RequestPlaneSuite.ts"
import { freePort } from "../support/FreePort.ts"

type Remote = "http" | "tcp"

const serverOf = (wire: Remote, port: number) =>
  wire === "tcp"
    ? StageServer.tcp({ host: "127.0.0.1", port }) as Layer.Layer<never, unknown, SearchIndex>
    : serve(StageServer.http, Layer.empty, { host: "127.0.0.1", port, grace: Duration.seconds(1) })

const clientOf = (wire: Remote, port: number) => {
  const address = { host: "127.0.0.1", port }
  return RequestPlaneRemote.layer({ wire, recall: address, hydrate: address })
}

const remote = (wire: Remote): PlaneOver => (index) =>
  Layer.unwrap(
    Effect.map(Effect.promise(freePort), (port) =>
      clientOf(wire, port).pipe(Layer.provide(serverOf(wire, port).pipe(Layer.provide(index)))))
  )

const nobody = (wire: Remote) => Layer.unwrap(Effect.map(Effect.promise(freePort), (port) => clientOf(wire, port)))

suite("inproc", (index) => Layer.provide(Stages.layer, index))
for (const wire of ["http", "tcp"] as const) {
  suite(wire, remote(wire))
  remoteSuite(wire, remote(wire), nobody(wire))
}

/** Says `bytes` to a server of stages, and waits until it answers or hangs up. */
const answerTo = (port: number, bytes: string | Buffer) =>
  new Promise<string>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes))
    socket.setEncoding("utf8")
    socket.on("error", () => {})
    socket.on("close", () => resolve("hung up"))
    socket.on("data", (text: string) => {
      resolve(text)
      socket.destroy()
    })
  })

const request = { _tag: "Request", id: "1", tag: "recall", headers: [] }
const query = { terms: { words: ["dog"], phrases: [], without: [], prefix: null } }
const line = (message: unknown) => `${JSON.stringify(message)}\n`

describe("a server of stages over TCP", () => {
  const cases: ReadonlyArray<readonly [string, string | Buffer, RegExp]> = [
    ["no JSON", "GET / HTTP/1.1\r\n\r\n", /Defect/],
    ["bytes without an end", Buffer.alloc(5 * 1024 * 1024, "x"), /hung up/],
    ["a stage that is none", line({ ...request, tag: "forget", payload: {} }), /Unknown request tag/],
    ["a page beyond the bound", line({ ...request, payload: { query, limit: 101, cursor: null } }), /limit/],
    ["no payload", line(request), /Exit|Defect/]
  ]
  for (const [what, bytes, answer] of cases) {
    it.live(`gives ${what} a clear answer, and goes on serving others`, () =>
      Effect.gen(function*() {
        const port = yield* Effect.promise(freePort)
        const served = serverOf("tcp", port).pipe(Layer.provide(SearchIndexMemory.layer))
        yield* Effect.gen(function*() {
          assert.match(yield* Effect.promise(() => answerTo(port, bytes)), answer)
          const { items } = yield* Front.find({ terms: parseQuery("dog") }, 1, undefined)
          assert.deepStrictEqual(items, [])
        }).pipe(Effect.provide(clientOf("tcp", port).pipe(Layer.provide(served))))
      }))
  }
})
