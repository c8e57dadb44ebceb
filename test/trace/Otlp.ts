/** Traces as a store takes them: OTLP's JSON, and copies that may lie beside each other. */
import type { Story } from "../../src/trace/Story.ts"
import type { Trace, TraceSpan } from "../../src/trace/Trace.ts"

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

/** With an id of its own, so that it may lie beside the original. */
export const ofOwnId = ({ id, spans }: Trace, number: number): Trace => {
  const own = (id: string) => `${number.toString(16).padStart(8, "0")}${id.slice(8)}`
  return {
    id: own(id),
    spans: spans.map((span) => ({
      ...span,
      traceId: own(span.traceId),
      links: span.links.map(({ spanId, traceId }) => ({ spanId, traceId: own(traceId) }))
    }))
  }
}

export const copyOf = (story: Story, number: number): Story => ({
  ...story,
  request: ofOwnId(story.request!, number),
  workers: story.workers.map((trace) => ofOwnId(trace, number))
})

export const sendTo = async (otlp: string, traces: ReadonlyArray<Trace>) => {
  const headers = { "content-type": "application/json" }
  const answer = await fetch(`${otlp}/v1/traces`, { method: "POST", headers, body: JSON.stringify(otlpOf(traces)) })
  if (!answer.ok) throw new Error(`${otlp} refused traces with ${answer.status}`)
}
