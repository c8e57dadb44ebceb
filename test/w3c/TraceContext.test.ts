/**
 * The rules of W3C trace context level 2, at both ends of both ways through the product: what a caller sends, and what
 * the product's own client then sends on. `npm run w3c` runs the W3C's suite against the same programs.
 */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll } from "vitest"
import { parseTraceparent, type SpanIds } from "../../src/domain/TraceContext.ts"
import { call } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { programsEnv, type RunningApi, runningApi } from "../support/RunningApi.ts"
import { type Service, startService, ways } from "./Forwarding.ts"

const trace = "0123456789abcdef0123456789abcdef"
const span = "0123456789abcdef"
const good = `00-${trace}-${span}-01`

type Sent = Readonly<Record<string, string | ReadonlyArray<string>>>
interface Called {
  readonly ids: SpanIds
  readonly tracestate: string | undefined
  readonly names: ReadonlyArray<string>
}

/** Somebody who is called, and keeps the headers by path. */
const listener = async () => {
  const seen = new Map<string, ReadonlyArray<string>>()
  const server: Server = createServer((request, response) => {
    seen.set(request.url!, request.rawHeaders)
    request.resume().on("end", () => response.setHeader("content-type", "application/json").end("null"))
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return { seen, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const pairsOf = (raw: ReadonlyArray<string>) =>
  raw.flatMap((name, at) => at % 2 === 0 ? [[name.toLowerCase(), raw[at + 1]!] as const] : [])

describe("trace context", () => {
  let database: OwnDatabase
  let service: Service
  let called: Awaited<ReturnType<typeof listener>>
  let count = 0

  beforeAll(async () => {
    database = await ownDatabase()
    called = await listener()
    service = await startService(programsEnv(database))
  })
  afterAll(async () => {
    await service.stop()
    called.server.close()
    called.server.closeAllConnections()
    await database.drop()
  })

  /** One request with these headers, and what the calls that it caused carried. */
  const passed = async (way: typeof ways[number], headers: Sent, calls = 1): Promise<ReadonlyArray<Called>> => {
    const paths = Array.from({ length: calls }, () => `/${process.pid}-${++count}`)
    const json = paths.map((path) => ({ url: called.url + path, arguments: [] }))
    const answer = await call("POST", service.url(way), { headers, json })
    assert.strictEqual(answer.status, 200, answer.text)
    return paths.map((path) => {
      const pairs = pairsOf(called.seen.get(path)!)
      const [traceparent, ...more] = pairs.filter(([name]) => name === "traceparent").map(([, value]) => value)
      assert.isEmpty(more)
      const ids = parseTraceparent(traceparent)
      assert.isDefined(ids, traceparent)
      assert.match(traceparent!, /^00-/)
      const list = pairs.filter(([name]) => name === "tracestate").map(([, value]) => value)
      assert.isAtMost(list.length, 1)
      return { ids, tracestate: list[0], names: pairs.map(([name]) => name) }
    })
  }

  const goesOn: ReadonlyArray<readonly [what: string, headers: Sent]> = [
    ["a plain one", { traceparent: good }],
    ["one that is written in capitals", { TRACEPARENT: good }],
    ["one in mixed case", { TrAcEpArEnT: good }],
    ["one with blanks around it", { traceparent: ` \t ${good} \t` }],
    ["a later version", { traceparent: `cc-${good.slice(3)}` }],
    ["a later version that says more", { traceparent: `cc-${good.slice(3)}-and-more.of=it` }],
    ["one with flags that nobody knows yet", { traceparent: good.replace(/01$/, "f1") }],
    ["one with a tracestate that is not to be used", { traceparent: good, tracestate: "A" }]
  ]
  const beginsAnew: ReadonlyArray<readonly [what: string, headers: Sent]> = [
    ["none at all", {}],
    ["a header of another name", { "trace-parent": good, "trace.parent": good }],
    ["two of them", { traceparent: [good, good.replace("0123", "0124")] }],
    ["the same one twice", { traceparent: [good, good] }],
    ["version 00 that says more", { traceparent: `${good}-more` }],
    ["version 00 with a point behind it", { traceparent: `${good}.` }],
    ["a later version that goes on with a point", { traceparent: `cc-${good.slice(3)}.more` }],
    ["version ff", { traceparent: `ff-${good.slice(3)}` }],
    ["a version that is no number", { traceparent: `.0-${good.slice(3)}` }],
    ["half a version that is no number", { traceparent: `0.-${good.slice(3)}` }],
    ["a version of one digit", { traceparent: good.slice(1) }],
    ["a version of three digits", { traceparent: `0${good}` }],
    ["a version of four digits", { traceparent: `00${good}` }],
    ["capitals", { traceparent: good.toUpperCase() }],
    ["a trace id of zeros", { traceparent: good.replace(trace, "0".repeat(32)) }],
    ["a trace id with a point in front", { traceparent: good.replace(trace, `.${trace.slice(1)}`) }],
    ["a trace id with a point behind", { traceparent: good.replace(trace, `${trace.slice(1)}.`) }],
    ["a trace id that is too long", { traceparent: good.replace(trace, `${trace}0`) }],
    ["a trace id that is too short", { traceparent: good.replace(trace, trace.slice(1)) }],
    ["a parent id of zeros", { traceparent: good.replace(`-${span}-`, `-${"0".repeat(16)}-`) }],
    ["a parent id with a point", { traceparent: good.replace(`-${span}-`, `-.${span.slice(1)}-`) }],
    ["a parent id that is too long", { traceparent: good.replace(`-${span}-`, `-${span}0-`) }],
    ["a parent id that is too short", { traceparent: good.replace(`-${span}-`, `-${span.slice(1)}-`) }],
    ["flags that are no number", { traceparent: good.replace(/01$/, ".0") }],
    ["flags that are half a number", { traceparent: good.replace(/01$/, "0.") }],
    ["flags that are too long", { traceparent: `${good}1` }],
    ["flags that are too short", { traceparent: good.slice(0, -1) }],
    ["B3 in one header", { b3: `${trace}-${span}-1` }],
    ["B3 in several headers", { "x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "1", "x-b3-flags": "1" }],
    ["a bad one beside B3", { traceparent: "bad", b3: `${trace}-${span}-d` }]
  ]

  const many = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, at) => `m${from + at}=${from + at}`).join(",")
  const everyChar = String.fromCharCode(...Array.from({ length: 95 }, (_, at) => 32 + at)).replaceAll(/[,=]/g, "")
  const everyKey = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"

  const lists: ReadonlyArray<readonly [what: string, given: Sent[string] | undefined, sent: string | undefined]> = [
    ["nothing", undefined, undefined],
    ["two members", "a=1,b=2", "a=1,b=2"],
    ["an empty list", "", undefined],
    ["an empty list before a full one", ["", "a=1"], "a=1"],
    ["an empty list behind a full one", ["a=1", ""], "a=1"],
    ["several headers, in their order", ["a=1,b=2", "c=1,d=2", "e=3"], "a=1,b=2,c=1,d=2,e=3"],
    ["a key twice", "a=1,a=1", "a=1"],
    ["a key twice with two values", "a=1,b=3,a=2", "a=1,b=3"],
    ["a key in two headers", ["a=1", "a=2"], "a=1"],
    [
      "every character of a key and of a value",
      `${everyKey}@${everyKey}=${everyChar}`,
      `${everyKey}@${everyKey}=${everyChar}`
    ],
    ["blanks around members", " a=1 \t , \t b=2, \t c=3 \t", "a=1,b=2,c=3"],
    ["a blank in a key", "a =1", undefined],
    ["capitals in a key", "A=1,b=2", undefined],
    ["a point in a key", "a.b=1", undefined],
    ["at signs in keys", "a@=1,b@@c=2,d@e@f=3", "a@=1,b@@c=2,d@e@f=3"],
    ["an at sign in front of a key", "@a=1,b=2", undefined],
    ["thirty-two members in three headers", [many(1, 10), many(11, 20), many(21, 32)], many(1, 32)],
    ["thirty-three members in three headers", [many(1, 10), many(11, 20), many(21, 33)], undefined],
    ["a key of 256 characters", ["a=1", `${"k".repeat(256)}=1`], `a=1,${"k".repeat(256)}=1`],
    ["a key of 257 characters", ["a=1", `${"k".repeat(257)}=1`], undefined],
    [
      "a long key with an at sign",
      `a=1,${"k".repeat(241)}@${"v".repeat(14)}=1`,
      `a=1,${"k".repeat(241)}@${"v".repeat(14)}=1`
    ],
    ["an equals sign in a value", "a=1=2", undefined],
    ["an empty value", "a=,b=2", undefined],
    ["a member without a value", "a=1,b", undefined]
  ]

  for (const way of ways) {
    describe(way === "direct" ? "over HTTP" : "through API, row, worker and outbound call", () => {
      it.each(goesOn)("goes on with %s", async (_what, headers) => {
        const [{ ids, tracestate }] = await passed(way, headers) as [Called]
        assert.strictEqual(ids.traceId, trace)
        assert.notStrictEqual(ids.spanId, span)
        assert.isUndefined(tracestate)
      })

      it.each(beginsAnew)("begins anew at %s", async (_what, headers) => {
        const [{ ids, tracestate }] = await passed(way, { tracestate: "a=1", ...headers }) as [Called]
        assert.notInclude([trace, trace.replace("0123", "0124")], ids.traceId)
        assert.notInclude(ids.traceId, trace.slice(2, 20))
        assert.isUndefined(tracestate)
      })

      it.each(lists)("passes on what is to be passed on of a tracestate with %s", async (_what, given, sent) => {
        const headers = { traceparent: good, ...(given === undefined ? {} : { tracestate: given }) }
        const [{ ids, tracestate }] = await passed(way, headers) as [Called]
        assert.strictEqual(ids.traceId, trace)
        assert.strictEqual(tracestate, sent)
      })

      it("passes on the random flag, and makes none up", async () => {
        for (const flags of ["00", "01", "02", "03"]) {
          const [{ ids }] = await passed(way, { traceparent: good.replace(/01$/, flags) }) as [Called]
          assert.strictEqual(ids.flags & 2, Number(flags) & 2)
        }
      })

      it("has a span of its own for each call", async () => {
        for (const headers of [{ traceparent: good }, {}, { traceparent: good.replace(trace, "0".repeat(32)) }]) {
          const calls = await passed(way, headers, 3)
          assert.strictEqual(new Set(calls.map(({ ids }) => ids.spanId)).size, 3)
          assert.strictEqual(new Set(calls.map(({ ids }) => ids.traceId)).size, 1)
        }
      })

      it("sends no B3", async () => {
        const [{ names }] = await passed(way, { traceparent: good, b3: `${trace}-${span}-1` }) as [Called]
        assert.isEmpty(names.filter((name) => /^b3$|^x-b3/.test(name)))
        assert.includeMembers([...names], ["traceparent"])
      })
    })
  }
})

describe("the product", () => {
  it("calls nobody whom a caller names", async () => {
    const called = await listener()
    const running: RunningApi = await runningApi({ env: { WORDLOOM_TRACING: "local" } })
    for (const path of [...ways.map((way) => `/${way}`), "/test"]) {
      const answer = await running.call("POST", path, { json: [{ url: `${called.url}/x`, arguments: [] }] })
      // The console has a page of that name, to be read only.
      assert.strictEqual(answer.status, path === "/outbox" ? 405 : 404, path)
    }
    assert.strictEqual(called.seen.size, 0)
    await running.stop()
    called.server.close()
  })
})
