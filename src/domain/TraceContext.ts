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

/** Only blanks and tabs may stand around a header's value; a later version may go on after another dash. */
const shape = /^[ \t]*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?[ \t]*$/
const zero = /^0+$/
const flagsKnown = 0x03

/** `undefined` for whatever the specification calls invalid; a later version is read as far as version 00 goes. */
export const parseTraceparent = (value: string | null | undefined): SpanIds | undefined => {
  const match = value === null || value === undefined ? null : shape.exec(value)
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

const isBlank = (char: string | undefined) => char === " " || char === "\t"

/** Only what HTTP calls optional whitespace. Step by step: a pattern would look at a long gap again and again. */
const trimmed = (text: string): string => {
  let [from, to] = [0, text.length]
  while (from < to && isBlank(text[from])) from++
  while (from < to && isBlank(text[to - 1])) to--
  return text.slice(from, to)
}

/** A header that came several times is one list, joined by commas. */
const membersOf = (list: string | null | undefined): ReadonlyArray<string> =>
  (list ?? "").split(",").map(trimmed).filter((member) => member !== "")

const keyOf = (member: string) => member.slice(0, Math.max(member.indexOf("="), 0))
const valueOf = (member: string) => member.slice(member.indexOf("=") + 1)

/**
 * The list of members, or `null` when it is absent or invalid: more than 32 members, a bad key or value. Of a key that
 * comes twice the first is the newest, and is kept. Longer than 512 characters, whole members are dropped: first those
 * over 128 characters, then the others, always from the end.
 */
export const parseTracestate = (value: string | null | undefined): string | null => {
  const members = membersOf(value)
  const isValid = (member: string) => key.test(keyOf(member)) && memberValue.test(valueOf(member))
  if (members.length > memberMax || !members.every(isValid)) return null
  const keys = members.map(keyOf)
  return shortened(members.filter((member, at) => keys.indexOf(keyOf(member)) === at))
}

const shortened = (members: ReadonlyArray<string>): string | null => {
  const kept = [...members]
  let length = kept.join(",").length
  const dropFrom = (longest: number) => {
    for (let at = kept.length - 1; at >= 0 && length > lengthMax; at--) {
      if (kept[at]!.length <= longest) continue
      length -= kept[at]!.length + 1
      kept.splice(at, 1)
    }
  }
  dropFrom(longMember)
  dropFrom(0)
  return kept.length === 0 ? null : kept.join(",")
}

/** One member's value in a valid list. */
export const memberOf = (tracestate: string | null, wanted: string): string | undefined => {
  const found = membersOf(tracestate).find((member) => keyOf(member) === wanted)
  return found === undefined ? undefined : valueOf(found)
}

export const withoutMembers = (tracestate: string | null, ...unwanted: ReadonlyArray<string>): string | null => {
  const members = membersOf(tracestate).filter((member) => !unwanted.includes(keyOf(member)))
  return members.length === 0 ? null : members.join(",")
}

/** A valid list with this member in front, where a changed one belongs; the last ones give way when it is full. */
export const withMember = (tracestate: string | null, name: string, value: string): string | null =>
  shortened([`${name}=${value}`, ...membersOf(withoutMembers(tracestate, name))].slice(0, memberMax))
