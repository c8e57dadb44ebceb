/** What a span tells of a failure: its type, and one line in which nothing is that somebody sent. */
import { Predicate } from "effect"
import { excerpt } from "../domain/Text.ts"

/** Contract §5: longer text, and every stack, belongs to the log. */
const textMax = 256

/** A short failure for a span's status, made for whoever reads traces. */
export class SpanError extends Error {
  override readonly name = "SpanError"
}

/** Errors whose message says what did not answer, and why. All others may quote a caller: a name, a text, a value. */
const spoken: ReadonlySet<string> = new Set([
  "BusUnavailable",
  "LogicUnavailable",
  "PushFailed",
  "SearchUnavailable",
  "SpanError",
  "StageFailed",
  "StoreUnavailable"
])

/** OpenTelemetry's word for what has none. */
const other = "_OTHER"

const isType = (value: unknown): value is string => typeof value === "string" && /^\w{1,64}$/.test(value)

const named = (error: unknown): unknown =>
  Predicate.hasProperty(error, "_tag") ? error._tag : error instanceof Error ? error.name : undefined

/** Errors of libraries are often one class for all reasons. */
const reasonOf = (error: unknown): unknown =>
  Predicate.hasProperty(error, "reason") && Predicate.hasProperty(error.reason, "_tag") ? error.reason._tag : undefined

/**
 * The type is a word of somebody's source code, never of a message.
 *
 * ```ts
 * failureOf(new NameTaken({ kind: "tag", name: "secret plans" }))
 * // => { type: "NameTaken", text: "NameTaken" }
 * ```
 */
export const failureOf = (error: unknown): { readonly type: string; readonly text: string } => {
  const type = [reasonOf(error), named(error)].find(isType) ?? other
  const text = error instanceof Error && spoken.has(type) ? error.message.split("\n", 1)[0]! : ""
  return { type, text: text === "" ? type : excerpt(text, textMax) }
}
