/** Why deliveries fail, as one closed list: what each engine, the database and the worker itself have words for. */

export const errorTypes = [
  "bus_unavailable",
  "crash_loop",
  "es_429",
  "es_4xx",
  "es_503",
  "es_5xx",
  "es_auth",
  "es_block",
  "es_connect",
  "es_index_missing",
  "es_mapping",
  "es_mapping_foreign",
  "es_product",
  "es_response",
  "es_too_large",
  "generation_missing",
  "internal",
  "lease_expired",
  "pg_generation_missing",
  "pg_unavailable",
  "stalled",
  "timeout"
] as const
export type ErrorType = typeof errorTypes[number]

type OfStatus = "es_429" | "es_4xx" | "es_503" | "es_5xx"

/** Why a row is tried again: of an HTTP status only its class is told, and that it was 429. */
export type RetryReason = Exclude<ErrorType, OfStatus> | "429" | "4xx" | "5xx"

const isOfStatus = (type: ErrorType): type is OfStatus => /_(429|\d(xx|\d\d))$/.test(type)
const classes: ReadonlyArray<RetryReason> = ["429", "4xx", "5xx"]

export const retryReasons = classes.concat(errorTypes.filter((type) => !isOfStatus(type)))

/**
 * In the words that the contract has for it.
 *
 * ```ts
 * reasonOf("es_503")
 * // => "5xx"
 * ```
 */
export const reasonOf = (type: ErrorType): RetryReason =>
  !isOfStatus(type) ? type : type === "es_429" ? "429" : type === "es_4xx" ? "4xx" : "5xx"
