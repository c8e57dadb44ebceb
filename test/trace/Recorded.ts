/** What a real Jaeger answered about real writes; `infra/demos/record-traces.js` recorded it. */
import { readFileSync } from "node:fs"
import { traceOf } from "../../layers/tracestore/JaegerShape.ts"
import type { Story } from "../../src/trace/Story.ts"
import type { Trace, TraceSpan } from "../../src/trace/Trace.ts"

export const recordings = ["tag", "library", "block", "retried", "dead", "lost"] as const
export type Recording = (typeof recordings)[number]

interface Answer {
  readonly data: readonly [Parameters<typeof traceOf>[0]]
}

export interface Document {
  readonly trace: Answer
  readonly workers: ReadonlyArray<Answer>
}

export const documentOf = (name: Recording): Document =>
  JSON.parse(readFileSync(new URL(`../tracestore/recorded/jaeger-${name}.json`, import.meta.url), "utf8"))

export const storyOf = (name: Recording): Story => {
  const { trace, workers } = documentOf(name)
  return { request: traceOf(trace.data[0]), workers: workers.map(({ data }) => traceOf(data[0])), absent: [] }
}

/** The request's trace with each span as `change` leaves it; `undefined` takes it away. */
export const changed = (story: Story, change: (span: TraceSpan) => TraceSpan | undefined): Story => {
  const { request } = story
  if (request === undefined) throw new Error("a story without a request")
  const spans = request.spans.map(change).filter((span) => span !== undefined)
  return { ...story, request: { ...request, spans } }
}

export const changedWorkers = (story: Story, change: (span: TraceSpan) => TraceSpan | undefined): Story => ({
  ...story,
  workers: story.workers.map((trace): Trace => ({
    ...trace,
    spans: trace.spans.map(change).filter((span) => span !== undefined)
  }))
})

export const is = (span: TraceSpan, name: string, attributes: Readonly<Record<string, unknown>> = {}) =>
  span.name === name && Object.entries(attributes).every(([key, value]) => span.attributes[key] === value)
