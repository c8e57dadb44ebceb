/** An OTLP/HTTP endpoint that keeps what it gets, for looking at. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

interface KeyValue {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: string | number; readonly boolValue?: boolean }
}

export interface ReceivedSpan {
  readonly service: string
  readonly name: string
  readonly kind: "INTERNAL" | "SERVER" | "CLIENT" | "PRODUCER" | "CONSUMER"
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly traceState: string
  readonly start: bigint
  readonly end: bigint
  readonly statusCode: number
  readonly statusMessage: string
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
}

const kinds = ["INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"] as const

const attributesOf = (pairs: ReadonlyArray<KeyValue> = []) =>
  Object.fromEntries(pairs.map(({ key, value }) => [
    key,
    value.stringValue ?? value.boolValue ?? Number(value.intValue ?? Number.NaN)
  ]))

// The body is JSON by the OTLP specification; only what the tests look at is read.
const spansOf = (body: any): ReadonlyArray<ReceivedSpan> =>
  body.resourceSpans.flatMap((resource: any) =>
    resource.scopeSpans.flatMap((scope: any) =>
      scope.spans.map((span: any): ReceivedSpan => ({
        service: String(attributesOf(resource.resource.attributes)["service.name"]),
        name: span.name,
        kind: kinds[span.kind as number]!,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? "",
        traceState: span.traceState ?? "",
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        statusCode: span.status?.code ?? 0,
        statusMessage: span.status?.message ?? "",
        attributes: attributesOf(span.attributes),
        links: (span.links ?? []).map((link: any) => ({ traceId: link.traceId, spanId: link.spanId }))
      }))
    )
  )

export const otlpReceiver = async () => {
  const spans: Array<ReceivedSpan> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
      spans.push(...spansOf(JSON.parse(Buffer.concat(chunks).toString("utf8"))))
      response.setHeader("content-type", "application/json").end("{}")
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: spans as ReadonlyArray<ReceivedSpan>,
    stop: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        server.closeAllConnections()
      })
  }
}
