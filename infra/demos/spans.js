/** A small OTLP/HTTP receiver: it keeps the spans that the programs send, and makes a tree of one trace. */
import { once } from "node:events"
import { createServer } from "node:http"

/**
 * @typedef {object} Span
 * @property {string} name
 * @property {string} service
 * @property {string} instance which of several processes of one service
 * @property {string} traceId
 * @property {string} spanId
 * @property {string} parentSpanId
 * @property {bigint} start nanoseconds since 1970
 * @property {bigint} end
 * @property {Record<string, string | number | boolean>} attributes
 */

/** @typedef {{ key: string, value: { stringValue?: string, boolValue?: boolean, intValue?: string | number } }} Pair */
/**
 * OTLP's JSON, as far as it is read here.
 * @typedef {object} Sent
 * @property {Array<{ resource: { attributes: Pair[] }, scopeSpans: Array<{ spans: SentSpan[] }> }>} resourceSpans
 */
/**
 * @typedef {object} SentSpan
 * @property {string} name
 * @property {string} traceId
 * @property {string} spanId
 * @property {string} [parentSpanId]
 * @property {string} startTimeUnixNano
 * @property {string} endTimeUnixNano
 * @property {Pair[]} [attributes]
 */

/** @param {Pair[]} [pairs] */
const attributesOf = (pairs = []) =>
  Object.fromEntries(
    pairs.map(({ key, value }) => [key, value.stringValue ?? value.boolValue ?? Number(value.intValue)])
  )

/**
 * @param {Sent} sent
 * @returns {Span[]}
 */
const spansOf = (sent) =>
  sent.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const of = attributesOf(resource.attributes)
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        name: span.name,
        service: String(of["service.name"]),
        instance: String(of["service.instance.id"] ?? ""),
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? "",
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: attributesOf(span.attributes)
      }))
    )
  })

/** @typedef {Awaited<ReturnType<typeof receiveSpans>>} Receiver */

export const receiveSpans = async () => {
  /** @type {Span[]} */
  const spans = []
  const server = createServer((request, response) => {
    /** @type {Buffer[]} */
    const chunks = []
    request.on("data", (/** @type {Buffer} */ chunk) => chunks.push(chunk)).on("end", () => {
      spans.push(...spansOf(/** @type {Sent} */ (JSON.parse(Buffer.concat(chunks).toString("utf8")))))
      response.setHeader("content-type", "application/json").end("{}")
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = /** @type {import("node:net").AddressInfo} */ (server.address())
  return {
    url: `http://127.0.0.1:${address.port}`,
    traceOf: (/** @type {string} */ traceId) => spans.filter((span) => span.traceId === traceId),
    stop: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

/**
 * Parents before their children, siblings as they began; a span whose parent was not received stands at the edge.
 * @param {ReadonlyArray<Span>} spans
 * @returns {Array<{ span: Span, depth: number }>}
 */
export const treeOf = (spans) => {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const byStart = spans.toSorted((a, b) => a.start < b.start ? -1 : a.start > b.start ? 1 : 0)
  /** @type {(children: Span[], depth: number) => Array<{ span: Span, depth: number }>} */
  const walk = (children, depth) =>
    children.flatMap((span) => [
      { span, depth },
      ...walk(byStart.filter(({ parentSpanId }) => parentSpanId === span.spanId), depth + 1)
    ])
  return walk(byStart.filter(({ parentSpanId }) => !known.has(parentSpanId)), 0)
}
