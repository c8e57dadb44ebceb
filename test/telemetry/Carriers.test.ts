/** Every wire carries a trace the same way, and believes as little of what it brings. */
import { assert, describe, it } from "@effect/vitest"
import { Metadata } from "@grpc/grpc-js"
import { Effect, Metric } from "effect"
import { metadataCarrier } from "../../layers/grpc/ChatProto.ts"
import type { TraceContext } from "../../src/domain/TraceContext.ts"
import type { CarriedTrace } from "../../src/realtime/MessageBus.ts"
import { natsCarrier } from "../../src/realtime/TaskRunner.ts"
import { type Carrier, columns, envelope, extract, received, record } from "../../src/telemetry/Carriers.ts"
import { invalidContexts } from "../../src/telemetry/Metrics.ts"

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
const context: TraceContext = { traceparent, tracestate: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE" }

interface Wire<Headers> {
  readonly carrier: Carrier<Headers>
  readonly empty: () => Headers
  /** As somebody else would write it: any text, any number of times. */
  readonly raw: (traceparents: ReadonlyArray<string>, tracestates?: ReadonlyArray<string>) => Headers
}

const one = <Headers>(wire: Wire<Headers>) => wire as Wire<any>

const joined = (values: ReadonlyArray<string>) => values.length === 0 ? undefined : values.join(",")
const headers = (traceparents: ReadonlyArray<string>, tracestates: ReadonlyArray<string> = []) => ({
  ...(traceparents.length === 0 ? {} : { traceparent: joined(traceparents)! }),
  ...(tracestates.length === 0 ? {} : { tracestate: joined(tracestates)! })
})

const wires: ReadonlyArray<Wire<any>> = [
  // Node joins what came more than once.
  one({ carrier: record("http"), empty: () => ({}), raw: headers }),
  one({ carrier: record("tcp"), empty: () => ({}), raw: headers }),
  one({
    carrier: metadataCarrier,
    empty: () => new Metadata(),
    raw: (traceparents, tracestates = []) => {
      const metadata = new Metadata()
      for (const value of traceparents) metadata.add("traceparent", value)
      for (const value of tracestates) metadata.add("tracestate", value)
      return metadata
    }
  }),
  one<CarriedTrace>({
    carrier: natsCarrier,
    empty: () => ({ headers: {}, field: undefined }),
    raw: (traceparents, tracestates = []) => ({
      headers: {
        ...(traceparents.length === 0 ? {} : { traceparent: traceparents }),
        ...(tracestates.length === 0 ? {} : { tracestate: tracestates })
      },
      field: undefined
    })
  }),
  one({
    carrier: envelope,
    empty: () => ({}),
    raw: (traceparents, tracestates = []) => ({
      ...(traceparents.length === 0 ? {} : { TraceParent: joined(traceparents) }),
      ...(tracestates.length === 0 ? {} : { TraceState: joined(tracestates) })
    })
  }),
  one({
    carrier: columns,
    empty: () => ({ traceparent: null, tracestate: null }),
    raw: (traceparents, tracestates = []) => ({
      traceparent: joined(traceparents) ?? null,
      tracestate: joined(tracestates) ?? null
    })
  })
]

const invalid: ReadonlyArray<readonly [what: string, values: ReadonlyArray<string>]> = [
  ["is malformed", ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"]],
  ["is no context at all", ["hello"]],
  ["has version ff", [`ff${traceparent.slice(2)}`]],
  ["has a trace id of zeros", [`00-${"0".repeat(32)}-b7ad6b7169203331-01`]],
  ["has a span id of zeros", [`00-0af7651916cd43dd8448eb211c80319c-${"0".repeat(16)}-01`]],
  ["is in upper case", [traceparent.toUpperCase()]],
  ["goes on after its end", [`${traceparent}-more`]],
  ["is too long, of whatever version", [`cc${traceparent.slice(2)}-${"x".repeat(1_000)}`]],
  ["is there twice", [traceparent, traceparent]]
]

describe.each(wires.map((wire) => [wire.carrier.name, wire] as const))("a trace over %s", (name, wire) => {
  const { carrier, empty, raw } = wire
  const count = Effect.map(
    Metric.value(invalidContexts.labelled({ carrier: name }).metric),
    ({ count }) => count
  )

  it("comes back as it was sent", () => {
    for (
      const sent of [context, { traceparent, tracestate: null }, {
        ...context,
        traceparent: `${traceparent.slice(0, -2)}00`
      }]
    ) {
      assert.deepStrictEqual(extract(carrier.read(carrier.write(sent, empty()))), sent)
    }
  })

  it.effect("that is missing is none, and nothing is counted", () =>
    Effect.gen(function*() {
      const before = yield* count
      assert.isNull(yield* received(name, carrier.read(empty())))
      assert.isNull(yield* received(name, carrier.read(raw([], ["congo=t61rcWkgMzE"]))))
      assert.strictEqual(yield* count, before)
    }))

  it.effect.each(invalid)("that %s is none, and is counted", ([, values]) =>
    Effect.gen(function*() {
      const before = yield* count
      assert.isNull(yield* received(name, carrier.read(raw(values, ["congo=t61rcWkgMzE"]))))
      assert.strictEqual(yield* count, before + 1)
    }))

  it("of a later version is read as far as it is known", () => {
    const found = extract(carrier.read(raw([`cc${traceparent.slice(2)}-later`])))
    assert.deepStrictEqual(found, { traceparent, tracestate: null })
  })

  it("keeps its ids when only the tracestate is invalid", () => {
    const found = extract(carrier.read(raw([traceparent], ["not a member"])))
    assert.deepStrictEqual(found, { traceparent, tracestate: null })
  })
})

it("the field of a message counts only where the headers say nothing", () => {
  const field = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`
  const read = (found: Record<string, ReadonlyArray<string>>) => extract(natsCarrier.read({ headers: found, field }))
  assert.deepStrictEqual(read({}), { traceparent: field, tracestate: null })
  assert.deepStrictEqual(read({ traceparent: [traceparent] }), { traceparent, tracestate: null })
  assert.isNull(read({ traceparent: ["junk"] }))
})

it("a field of an envelope that is no text is wrong, not missing", () => {
  assert.isNull(extract(envelope.read({ TraceParent: 7 })))
})
