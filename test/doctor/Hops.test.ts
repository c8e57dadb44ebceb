/** A hop is broken where it is cut, and nowhere else: on what a real Jaeger answered about real writes. */
import { assert, describe, it } from "@effect/vitest"
import { brokenHops, orphansOf } from "../../src/doctor/Hops.ts"
import type { Trace, TraceSpan } from "../../src/trace/Trace.ts"
import { recordings, storyOf } from "../trace/Recorded.ts"

const tracesOf = (name: typeof recordings[number]): ReadonlyArray<Trace> => {
  const { request, workers } = storyOf(name)
  return [request!, ...workers]
}

/** The spans of one name begin anew, each in a trace of its own, as when nobody carried the context. */
const cut = (traces: ReadonlyArray<Trace>, name: string): ReadonlyArray<Trace> => {
  const isCut = (span: TraceSpan) => span.name === name
  const apart = traces.flatMap(({ spans }) => spans.filter(isCut)).map((span, at): Trace => {
    const id = `${at + 1}`.padStart(32, "f")
    return { id, spans: [{ ...span, traceId: id, parentId: undefined }] }
  })
  return [...traces.map(({ id, spans }) => ({ id, spans: spans.filter((span) => !isCut(span)) })), ...apart]
}

const span = (change: Partial<TraceSpan>): TraceSpan => ({
  traceId: "a".repeat(32),
  spanId: "a".repeat(16),
  parentId: undefined,
  name: "POST /orders",
  service: "shop",
  kind: "client",
  start: 1_000_000_000n,
  end: 2_000_000_000n,
  failed: false,
  message: "",
  attributes: { x_request_id: "r-1" },
  links: [],
  ...change
})
const called = span({
  traceId: "b".repeat(32),
  spanId: "b".repeat(16),
  name: "POST /api/v1/tags",
  service: "wordloom-api",
  kind: "server",
  start: 1_100_000_000n,
  end: 1_900_000_000n
})
const asTraces = (...spans: ReadonlyArray<TraceSpan>) => spans.map((one): Trace => ({ id: one.traceId, spans: [one] }))

describe("hops", () => {
  it.for(recordings)("of a real write are whole: %s", (name) => {
    assert.deepStrictEqual(brokenHops(tracesOf(name)), [])
    assert.deepStrictEqual(orphansOf(tracesOf(name)), [])
  })

  it.for(recordings)("are broken where a worker did not take the row's trace: %s", (name) => {
    const broken = brokenHops(cut(tracesOf(name), "outbox.process"))
    assert.isNotEmpty(broken)
    for (const { callee, caller } of broken) {
      assert.deepStrictEqual([caller.name, callee.name], ["outbox.enqueue", "outbox.process"])
      assert.strictEqual(caller.attributes["projection"], callee.attributes["projection"])
    }
  })

  it("are broken where another's call, of the same request and within its time, begins anew", () => {
    assert.deepStrictEqual(brokenHops(asTraces(span({}), called)), [{ caller: span({}), callee: called }])
    const others = [
      span({ attributes: { x_request_id: "r-2" } }),
      span({ attributes: {} }),
      span({ service: "wordloom-api" }),
      span({ kind: "producer" }),
      span({ end: 1_500_000_000n }),
      span({ start: 1_300_000_000n })
    ]
    const same = { traceId: called.traceId, attributes: {} }
    assert.lengthOf(brokenHops([{ id: called.traceId, spans: [span(same), called] }]), 1)
    for (const other of others) assert.deepStrictEqual(brokenHops(asTraces(other, called)), [])
    assert.deepStrictEqual(brokenHops(asTraces(span({}), { ...called, parentId: "c".repeat(16) })), [])
  })

  it("have spans without a parent where one is not there, but for what callers' own spans may be", () => {
    const [request, ...workers] = tracesOf("tag")
    const without = { ...request!, spans: request!.spans.filter(({ name }) => name !== "outbox.enqueue") }
    assert.include(orphansOf([without, ...workers]).map(({ name }) => name), "outbox.process")
    assert.deepStrictEqual(orphansOf(asTraces({ ...called, parentId: "c".repeat(16) })), [])
  })
})
