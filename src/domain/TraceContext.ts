/** W3C trace context, level 2: the two header values, as they travel and as a row keeps them. */

/** `traceparent` is always valid, version 00; `tracestate` is printable ASCII, at most 512 characters. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate: string | null
}

export interface SpanIds {
  readonly traceId: string
  readonly spanId: string
  /** The sampled bit (0x01) and the random bit (0x02); the other bits are zero. */
  readonly flags: number
}

const shape = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const zero = /^0+$/
const flagsKnown = 0x03

/** `undefined` for whatever the specification calls invalid; a later version is read as far as version 00 goes. */
export const parseTraceparent = (value: string | null | undefined): SpanIds | undefined => {
  const match = value === null || value === undefined ? null : shape.exec(value.trim())
  if (match === null) return undefined
  const [, version, traceId = "", spanId = "", flags = "", rest] = match
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined
  if (zero.test(traceId) || zero.test(spanId)) return undefined
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & flagsKnown }
}

/** The flag as a row has it, without reading the rest. */
export const isSampled = ({ traceparent }: TraceContext): boolean =>
  (Number.parseInt(traceparent.slice(-2), 16) & 1) === 1

/** `undefined` when the ids could not have come from a real span, such as a disabled tracer's `noop`. */
export const formatTraceparent = (ids: SpanIds): string | undefined => {
  const value = `00-${ids.traceId}-${ids.spanId}-${(ids.flags & flagsKnown).toString(16).padStart(2, "0")}`
  return parseTraceparent(value) === undefined ? undefined : value
}

const memberMax = 32
const lengthMax = 512
const longMember = 128
const key = /^[a-z0-9][a-z0-9_\-*/@]{0,255}$/
const memberValue = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/**
 * The list of members, or `null` when it is absent or invalid: more than 32 members, a key twice, a bad key or value.
 * Longer than 512 characters, whole members are dropped: first those over 128 characters, then from the end.
 */
export const parseTracestate = (value: string | null | undefined): string | null => {
  if (value === null || value === undefined) return null
  const members = value.split(",").map((member) => member.trim()).filter((member) => member !== "")
  const keys = new Set<string>()
  for (const member of members) {
    const at = member.indexOf("=")
    const name = member.slice(0, Math.max(at, 0))
    if (!key.test(name) || !memberValue.test(member.slice(at + 1)) || keys.has(name)) return null
    keys.add(name)
  }
  return members.length === 0 || members.length > memberMax ? null : shortened(members)
}

const shortened = (members: ReadonlyArray<string>): string | null => {
  const long = (list: ReadonlyArray<string>) => list.join(",").length > lengthMax
  const kept = long(members) ? members.filter((member) => member.length <= longMember) : [...members]
  while (long(kept)) kept.pop()
  return kept.length === 0 ? null : kept.join(",")
}
