/** What Elasticsearch's refusals mean for a delivery: judged by status and type, never by the words of a message. */
import { detailMax, type Failure, type FailureClass } from "../../src/delivery/Failure.ts"
import { excerpt } from "../../src/domain/Text.ts"
import type { WriteResult } from "../../src/search/SearchIndex.ts"

/** Everything that `Failure.errorType` can be here. */
export const errorTypes = [
  "es_429",
  "es_503",
  "es_5xx",
  "es_4xx",
  "es_auth",
  "es_block",
  "es_connect",
  "es_index_missing",
  "es_mapping",
  "es_mapping_foreign",
  "es_product",
  "es_response",
  "es_too_large",
  "timeout"
] as const
export type ErrorType = typeof errorTypes[number]

/** A refusal of a whole request or of one item of it. Status 0: there was no answer, or none that could be read. */
export interface Refusal {
  readonly failure: Failure
  readonly status: number
  /** Elasticsearch's own word, such as `index_not_found_exception`; empty when it did not say. */
  readonly type: string
}

type Verdict = readonly [FailureClass, ErrorType]

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined
const text = (value: unknown): string => typeof value === "string" ? value : ""

/** The index is not there to be written to, whatever the document. */
const missing = new Set(["index_not_found_exception", "index_closed_exception", "alias_not_found_exception"])
/** Said of a document; of a whole request where one of its items is at fault, and the others are innocent. */
const misfit = new Set(["document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception"])
const misshapen = new Set(["action_request_validation_exception", "parse_exception", "x_content_parse_exception"])

const verdictOf = (status: number, type: string, of: "request" | "item"): Verdict => {
  // A missing master (503) comes back by itself; a read-only index (403), or a full disk (429), waits for a person.
  if (type === "cluster_block_exception" && status !== 503) return ["configuration", "es_block"]
  if (missing.has(type)) return ["configuration", "es_index_missing"]
  if (status === 429) return ["throttled", "es_429"]
  if (status === 503) return ["transient", "es_503"]
  if (status >= 500) return ["transient", "es_5xx"]
  if (status === 408) return ["transient", "timeout"]
  if (status === 413) return ["poison", "es_too_large"]
  if (status === 401 || status === 403) return ["configuration", "es_auth"]
  if (status === 400 && misfit.has(type)) return ["poison", "es_mapping"]
  if (status === 400 && (of === "item" || misshapen.has(type))) return ["poison", "es_4xx"]
  // What else refuses a whole request would refuse every other document too: nothing may be buried for it.
  return status >= 400 ? ["configuration", "es_4xx"] : ["transient", "es_response"]
}

/** Reasons quote documents (`Preview of field's value: '…'`): what follows such words or is in quotes is left out. */
const detailOf = (...parts: ReadonlyArray<string>): string =>
  excerpt(
    parts.join(" ").split(/Preview of|The prefix of/, 1)[0]!
      .replace(/(^|[\s[(:=])(?:'[^']*'|"[^"]*")/g, "$1…")
      .replace(/\/\/[^\s/@]*@/g, "//")
      .replace(/[\s\p{C}]+/gu, " ")
      .trim(),
    detailMax
  )

const statusOf = (value: unknown): number => typeof value === "number" && Number.isInteger(value) ? value : 0

const refusal = (
  [failureClass, errorType]: Verdict,
  answer: { readonly status: number; readonly type: string },
  detail: string,
  retryAfterMs?: number
): Refusal => ({
  failure: { class: failureClass, errorType, detail, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  ...answer
})

/** A wait that is longer is a mistake of whatever sent it. */
const retryAfterMax = 3_600_000

/** `Retry-After` in milliseconds: seconds, or a date. */
export const retryAfterMs = (header: unknown, now: number): number | undefined => {
  const value = text(header).trim()
  const wait = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now
  return wait > 0 ? Math.min(wait, retryAfterMax) : undefined
}

/** The client's own errors by name: it decides by them itself, and two copies of the package still agree on them. */
const named: Readonly<Record<string, Verdict>> = {
  TimeoutError: ["transient", "timeout"],
  ConnectionError: ["transient", "es_connect"],
  NoLivingConnectionsError: ["transient", "es_connect"],
  ProductNotSupportedError: ["configuration", "es_product"],
  ConfigurationError: ["configuration", "es_4xx"]
}

const ofResponse = (error: unknown, now: number): Refusal => {
  const meta = member(error, "meta")
  const status = statusOf(member(meta, "statusCode"))
  const said = member(member(meta, "body"), "error")
  const type = text(member(said, "type"))
  return refusal(
    verdictOf(status, type, "request"),
    { status, type },
    detailOf(`HTTP ${status}`, type, text(member(said, "reason"))),
    retryAfterMs(member(member(meta, "headers"), "retry-after"), now)
  )
}

/**
 * Why a whole request failed: whatever the client, or a timeout around it, threw. Total. An error without a name of the
 * client's comes from reading the answer (a damaged compression), so that nobody knows what became of the request.
 */
export const refusalOf = (error: unknown, now: number): Refusal => {
  const name = text(member(error, "name"))
  if (name === "ResponseError") return ofResponse(error, now)
  const known = Object.hasOwn(named, name) ? named[name] : undefined
  // The message of a damaged answer may quote it.
  const detail = known === undefined ? "the answer could not be read" : detailOf(text(member(error, "message")))
  return refusal(known ?? ["transient", "es_response"], { status: 0, type: "" }, detail)
}

/** The index is not of this version, or not ours: nothing is written to it until somebody has rebuilt it. */
export const mappingForeign = (objection: string): Failure => ({
  class: "configuration",
  errorType: "es_mapping_foreign" satisfies ErrorType,
  detail: excerpt(objection, detailMax)
})

/** A look-up by ids is answered with 200, and each document says what a search would say once. */
export const refusalOfDocuments = (body: unknown): Refusal | undefined => {
  const docs = member(body, "docs")
  const said = member(Array.isArray(docs) ? docs[0] : undefined, "error")
  if (said === undefined) return undefined
  const answer = { status: 404, type: text(member(said, "type")) }
  const reason = text(member(said, "reason"))
  return refusal(verdictOf(answer.status, answer.type, "request"), answer, detailOf(answer.type, reason))
}

/** Whether there is nothing that could answer. */
export const isIndexMissing = (refusal: Refusal): boolean =>
  refusal.failure.errorType === ("es_index_missing" satisfies ErrorType)

/** An answer of the right status and the wrong shape. */
export const unreadable = (status: number, detail: string): Refusal =>
  refusal(["transient", "es_response"], { status, type: "" }, detail)

/**
 * What became of one item of a bulk request that addressed `alias`. Total.
 *
 * ```ts
 * resultOfItem({ index: { status: 409, error: { type: "version_conflict_engine_exception" } } }, "words")
 * // => { _tag: "Superseded" }
 * ```
 */
export const resultOfItem = (item: unknown, alias: string): WriteResult => {
  const [operation = "", result] = Object.entries(typeof item === "object" && item !== null ? item : {})[0] ?? []
  const status = statusOf(member(result, "status"))
  const error = member(result, "error")
  const type = text(member(error, "type"))
  if (status >= 200 && status < 300) return { _tag: "Written" }
  if (status === 409) return { _tag: "Superseded" }
  if (status === 404 && operation === "delete" && type === "") return { _tag: "Written" }
  // Only an error from before the document was looked at still names the alias: it has no index to write to.
  const unresolved = type === "illegal_argument_exception" && member(result, "_index") === alias
  const verdict: Verdict = unresolved ? ["configuration", "es_index_missing"] : verdictOf(status, type, "item")
  const detail = detailOf(`item ${status}`, type, text(member(error, "reason")))
  return { _tag: "Failed", failure: refusal(verdict, { status, type }, detail).failure }
}

/** One result per item; `undefined` when the body is not the answer to a bulk request of `count` items. */
export const resultsOf = (body: unknown, count: number, alias: string): ReadonlyArray<WriteResult> | undefined => {
  const items = member(body, "items")
  return Array.isArray(items) && items.length === count ? items.map((item) => resultOfItem(item, alias)) : undefined
}
