/** A JSON log line, as far as it tells of a trace: which span, whose request, how long, and busy or idle. Pure. */
import { excerpt } from "../domain/Text.ts"

export interface LogLine {
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  readonly requestId: string | undefined
  readonly service: string
  /** Milliseconds since 1970. */
  readonly at: number | undefined
  /** Of the line that tells of the span as a whole, which is written at its end. */
  readonly span: string | undefined
  readonly message: string
  readonly durationMs: number | undefined
  readonly busyNs: number | undefined
  readonly idleNs: number | undefined
  /** Its type, or `error` where a line of that level has none. */
  readonly error: string | undefined
}

/** `no-trace`: a line of JSON that belongs to none; `no-json`: anything else that is not blank. */
export type Reading = LogLine | "blank" | "no-json" | "no-trace"

const nameMax = 128
const messageMax = 256

const traceIdShape = /^(?!0+$)[0-9a-f]{32}$/
const spanIdShape = /^(?!0+$)[0-9a-f]{16}$/

type Fields = Readonly<Record<string, unknown>>

/** Compose and kubectl put a program's name in front. */
export const fieldsOf = (text: string): Fields | undefined => {
  const from = text.indexOf("{")
  if (from < 0) return undefined
  try {
    const value: unknown = JSON.parse(text.slice(from))
    return typeof value === "object" && value !== null ? value as Fields : undefined
  } catch {
    return undefined
  }
}

/** A log may come from anywhere, and is shown at a terminal. */
const textOf = (value: unknown, max: number) =>
  typeof value === "string" && value !== "" ? excerpt(value.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " "), max) : undefined

const shaped = (value: unknown, shape: RegExp) => typeof value === "string" && shape.test(value) ? value : undefined

const positive = (value: unknown) => typeof value === "number" && value >= 0 ? value : undefined

const timeOf = (value: unknown) => {
  const at = typeof value === "string" ? Date.parse(value) : Number.NaN
  return Number.isNaN(at) ? undefined : at
}

const nameOf = (fields: Fields) => {
  const span = textOf(fields["span"], nameMax)
  const stage = textOf(fields["stage"], nameMax)
  return span === undefined || stage === undefined ? span : `${span} ${stage}`
}

export const readLine = (text: string): Reading => {
  if (text.trim() === "") return "blank"
  const fields = fieldsOf(text)
  if (fields === undefined) return "no-json"
  const traceId = shaped(fields["trace_id"], traceIdShape)
  const spanId = shaped(fields["span_id"], spanIdShape)
  if (traceId === undefined || spanId === undefined) return "no-trace"
  return {
    traceId,
    spanId,
    parentId: shaped(fields["parent_id"], spanIdShape),
    requestId: textOf(fields["request_id"] ?? fields["x_request_id"], nameMax),
    service: textOf(fields["service.name"], nameMax) ?? "unknown",
    at: timeOf(fields["timestamp"]),
    span: nameOf(fields),
    message: textOf(fields["message"], messageMax) ?? "",
    durationMs: positive(fields["duration_ms"]),
    busyNs: positive(fields["busy_ns"]),
    idleNs: positive(fields["idle_ns"]),
    error: textOf(fields["error.type"], nameMax) ??
      (/^(error|fatal)$/.test(String(fields["level"])) ? "error" : undefined)
  }
}
