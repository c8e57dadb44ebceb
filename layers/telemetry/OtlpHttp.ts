/**
 * OpenTelemetry's own OTLP exporter, made to end: an export can be aborted, and says what the far side answered.
 *
 * The exporter tells neither status nor `Retry-After`, its time-out does not end an answer that drips, and nothing ends
 * a request of it. Node's diagnostics channels show each request and answer; the asynchronous context tells whose.
 */
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base"
import { AsyncLocalStorage } from "node:async_hooks"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { ClientRequest, IncomingMessage } from "node:http"
import type { Accepted, FailureFacts } from "./ExportFailure.ts"

export interface SpanSink {
  /** Calls `done` once; it may only be called again after that. */
  readonly export: (spans: ReadonlyArray<ReadableSpan>, done: (ended: Accepted | FailureFacts) => void) => void
  /** Ends what is under way, which is then told of soon. */
  readonly abort: () => void
  readonly shutdown: () => Promise<void>
}

/** One export: what it has under way, and what was answered last. */
interface Call {
  request?: ClientRequest
  status?: number
  retryAfter?: string | undefined
  body: string
  isAborted: boolean
}

const calls = new AsyncLocalStorage<Call>()

/** Of an answer only this much is looked at. */
const bodyMax = 16_384

const late = () => new Error("the export took too long")

const onRequest = (message: unknown) => {
  const call = calls.getStore()
  if (call === undefined) return
  const { request } = message as { readonly request: ClientRequest }
  call.request = request
  delete call.status
  call.body = ""
  if (call.isAborted) request.destroy(late())
}

const onAnswer = (message: unknown) => {
  const { request, response } = message as { readonly request: ClientRequest; readonly response: IncomingMessage }
  const call = calls.getStore()
  if (call === undefined || call.request !== request) return
  if (response.statusCode !== undefined) call.status = response.statusCode
  call.retryAfter = response.headers["retry-after"]
  response.on("data", (chunk: Buffer) => {
    if (call.body.length < bodyMax) call.body += chunk.toString("latin1")
  })
}

/** Spans that the far side took but did not keep; an answer that is no JSON says nothing. */
const rejectedOf = (body: string): number => {
  try {
    const rejected = Number(JSON.parse(body)?.partialSuccess?.rejectedSpans ?? 0)
    return Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0
  } catch {
    return 0
  }
}

const endOf = (call: Call, spans: number, result: { readonly code: number; readonly error?: Error }) =>
  result.code === 0
    ? { _tag: "Accepted", rejected: Math.min(spans, rejectedOf(call.body)) } as const
    : { error: result.error, status: call.status, retryAfter: call.retryAfter, isLate: call.isAborted }

/** `exporter` is OpenTelemetry's, unless a test has a worse one. */
export const make = (
  { timeoutMs, url }: { readonly url: string; readonly timeoutMs: number },
  // Its count of exports under way goes down only after it has told of the end.
  exporter: SpanExporter = new OTLPTraceExporter({ url, timeoutMillis: timeoutMs, concurrencyLimit: 2 })
): SpanSink => {
  let current: Call | undefined
  subscribe("http.client.request.start", onRequest)
  subscribe("http.client.response.finish", onAnswer)
  return {
    export: (spans, done) => {
      const call: Call = { body: "", isAborted: false }
      current = call
      calls.run(call, () => exporter.export([...spans], (result) => done(endOf(call, spans.length, result))))
    },
    abort: () => {
      if (current === undefined) return
      current.isAborted = true
      current.request?.destroy(late())
    },
    shutdown: () => {
      unsubscribe("http.client.request.start", onRequest)
      unsubscribe("http.client.response.finish", onAnswer)
      return exporter.shutdown()
    }
  }
}
