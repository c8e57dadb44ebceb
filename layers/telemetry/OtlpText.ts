/**
 * Finished spans as OTLP's JSON, written as text at once: what a collector takes for a field's default is left out.
 *
 * OpenTelemetry's own makes an object for each attribute, then text of them, and takes five times as long.
 */
import type { Attributes, AttributeValue, Link } from "@opentelemetry/api"
import type { FinishedSpan, RecordedBy, SpanEvent } from "./FinishedSpan.ts"

const quoted = (text: string): string => JSON.stringify(text)

/** An attribute as far as its value, by its key. Keys are the product's own; a bound in case that one is not. */
const openings = new Map<string, string>()
const openingsMax = 1_024

const openingOf = (key: string): string => {
  const known = openings.get(key)
  if (known !== undefined) return known
  const made = `{"key":${quoted(key)},"value":{"`
  if (openings.size < openingsMax) openings.set(key, made)
  return made
}

const numberText = (value: number): string =>
  Number.isSafeInteger(value)
    ? `intValue":${value}`
    : `doubleValue":${Number.isFinite(value) ? value : quoted(String(value))}`

const valueText = (value: AttributeValue): string => {
  if (typeof value === "string") return `stringValue":${quoted(value)}`
  if (typeof value === "number") return numberText(value)
  if (typeof value === "boolean") return `boolValue":${value}`
  const values = value.filter((item) => item != null).map((item) => `{"${valueText(item)}}`)
  return `arrayValue":{"values":[${values.join(",")}]}`
}

const attributesText = (attributes: Attributes): string => {
  let text = ""
  for (const key in attributes) {
    const value = attributes[key]
    if (value === undefined) continue
    text += `${text === "" ? "" : ","}${openingOf(key)}${valueText(value)}}}`
  }
  return text
}

/** The lower eight bits are the context's; above them OTLP says that it knows whether the parent is another process's. */
const flagsOf = (traceFlags: number, isRemote: boolean | undefined) =>
  (traceFlags & 0xff) | 0x100 | (isRemote === true ? 0x200 : 0)

const linkText = (
  { attributes = {}, context: { isRemote, spanId, traceFlags, traceId, traceState } }: Link
): string => {
  const state = traceState?.serialize() ?? ""
  const said = state === "" ? "" : `"traceState":${quoted(state)},`
  const values = attributesText(attributes)
  return `{"traceId":"${traceId}","spanId":"${spanId}",${said}"attributes":[${values}],"flags":${
    flagsOf(traceFlags, isRemote)
  }}`
}

const eventText = ({ attributes, name, nanos }: SpanEvent): string =>
  `{"timeUnixNano":"${nanos}","name":${quoted(name)},"attributes":[${attributesText(attributes)}]}`

const spanText = ({ parts, trace }: FinishedSpan): string => {
  const { begun, ended, error, events, isRemote, kind, links, name, parentId, spanId } = parts
  const { traceFlags, traceId, traceState } = trace
  const state = traceState?.serialize() ?? ""
  let text = `{"traceId":"${traceId}","spanId":"${spanId}","flags":${
    flagsOf(traceFlags, parentId !== undefined && isRemote)
  },`
  if (parentId !== undefined) text += `"parentSpanId":"${parentId}",`
  if (state !== "") text += `"traceState":${quoted(state)},`
  // In OTLP zero says that nothing is known of the kind.
  text += `"name":${quoted(name)},"kind":${kind + 1},"startTimeUnixNano":"${begun}","endTimeUnixNano":"${ended}",`
  if (events !== undefined) text += `"events":[${events.map(eventText).join(",")}],`
  if (links !== undefined) text += `"links":[${links.map(linkText).join(",")}],`
  if (error !== undefined) text += `"status":{"code":2,"message":${quoted(error)}},`
  return `${text}"attributes":[${attributesText(parts.attributes)}]}`
}

const opening = ({ resource, scope }: RecordedBy): string =>
  `{"resource":{"attributes":[${attributesText(resource.attributes)}]},"scopeSpans":[{"scope":{"name":${
    quoted(scope.name)
  }},"spans":[`

/** A request of an OTLP collector. */
export const requestOf = (spans: ReadonlyArray<FinishedSpan>): string => {
  const services = new Map<RecordedBy, string>()
  for (const span of spans) {
    const before = services.get(span.by)
    services.set(span.by, `${before === undefined ? opening(span.by) : `${before},`}${spanText(span)}`)
  }
  return `{"resourceSpans":[${[...services.values()].map((text) => `${text}]}]}`).join(",")}]}`
}
