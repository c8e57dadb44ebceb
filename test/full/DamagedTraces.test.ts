/** Damaged copies of a real trace, kept by a real Jaeger: each fails for its own reason. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { missing, start } from "../../infra/servers.js"
import * as TraceStoreJaeger from "../../layers/tracestore/TraceStoreJaeger.ts"
import { gather } from "../../src/trace/Gather.ts"
import type { Story } from "../../src/trace/Story.ts"
import type { Trace, TraceSpan } from "../../src/trace/Trace.ts"
import { verify } from "../../src/trace/Verify.ts"
import { until } from "../support/Programs.ts"
import { damages } from "../trace/Damages.ts"
import { storyOf } from "../trace/Recorded.ts"

const lacking = process.env["WORDLOOM_FULL"] === "1" ? missing("jaeger") : "only with `npm run test:full`"
if (lacking !== undefined) console.warn(`Damaged traces in Jaeger are not tested: ${lacking}`)

const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const

const valueOf = (value: string | number | boolean) =>
  typeof value === "string"
    ? { stringValue: value }
    : typeof value === "boolean"
    ? { boolValue: value }
    : { intValue: String(value) }

const pairsOf = (attributes: TraceSpan["attributes"]) =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: valueOf(value) }))

const otlpOf = (traces: ReadonlyArray<Trace>) => ({
  resourceSpans: traces.flatMap(({ spans }) => spans).map((span) => ({
    resource: { attributes: pairsOf({ "service.name": span.service }) },
    scopeSpans: [{
      spans: [{
        traceId: span.traceId,
        spanId: span.spanId,
        ...(span.parentId === undefined ? {} : { parentSpanId: span.parentId }),
        name: span.name,
        kind: kinds[span.kind],
        startTimeUnixNano: String(span.start),
        endTimeUnixNano: String(span.end),
        attributes: pairsOf(span.attributes),
        links: span.links,
        status: span.failed ? { code: 2, message: span.message } : {}
      }]
    }]
  }))
})

/** Each copy has trace ids of its own, so that all lie in one store. */
const copyOf = (story: Story, number: number): Story => {
  const own = (id: string) => `${number.toString(16).padStart(8, "0")}${id.slice(8)}`
  const trace = ({ id, spans }: Trace): Trace => ({
    id: own(id),
    spans: spans.map((span) => ({
      ...span,
      traceId: own(span.traceId),
      links: span.links.map(({ spanId, traceId }) => ({ spanId, traceId: own(traceId) }))
    }))
  })
  return { ...story, request: trace(story.request!), workers: story.workers.map(trace) }
}

/** A span of another trace would not be a part of this one in any store. */
const storable = damages.filter(({ check }) => check !== "ids")

const nothingElse = { service: "", operation: "", from: 0, to: 0, limit: 1 }

describe.skipIf(lacking !== undefined)("damaged traces in Jaeger", () => {
  it.live("fail each for its own reason, and the whole one passes", () =>
    Effect.gen(function*() {
      const jaeger = yield* Effect.acquireRelease(
        Effect.promise(() => start("jaeger")),
        (server) => Effect.promise(() => server.stop())
      )
      const copies = [storyOf("retried"), ...storable.map(({ story }) => story)].map((story, at) =>
        copyOf(story, at + 1)
      )
      for (const { request, workers } of copies) {
        const body = JSON.stringify(otlpOf([request!, ...workers]))
        const headers = { "content-type": "application/json" }
        yield* Effect.promise(() => fetch(`${jaeger.urls.otlp}/v1/traces`, { method: "POST", headers, body }))
      }
      const base = `${jaeger.urls.query}/api`
      const ids = copies.map(({ request }) => request!.id)
      yield* Effect.promise(() =>
        until("the last copy in Jaeger", async () => (await fetch(`${base}/traces/${ids.at(-1)}`)).ok)
      )
      const failing = Effect.fnUntraced(function*(traceId: string) {
        const [found] = yield* gather({ traceId, wanted: nothingElse, services: [] })
        return verify(found!.story).flatMap(({ finding, name }) =>
          finding._tag === "Failed" ? [`${name}: ${finding.problems.join("; ")}`] : []
        )
      })
      const found = yield* Effect.forEach(ids, failing).pipe(Effect.provide(TraceStoreJaeger.layer(new URL(base))))
      assert.deepStrictEqual(found[0], [])
      for (const [at, { check, names, what }] of storable.entries()) {
        const own = found[at + 1]!.find((line) => line.startsWith(`${check}: `))
        assert.match(own ?? `not ${check}, but ${found[at + 1]!.join("; ")}`, names, what)
      }
    }).pipe(Effect.scoped))
})
