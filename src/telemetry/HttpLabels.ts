/** What a metric says of a request: never its path, never a word of the caller's. */
import type { Brand } from "effect"

/** The template of a route, such as `/api/v1/tags/:id`. Only the table of routes makes one. */
export type RouteTemplate = Brand.Branded<string, "RouteTemplate">

/** More than the product has; one more is `other`. */
export const routesMax = 64

export const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"] as const
export type Method = typeof methods[number]

export const methodOf = (said: string): Method =>
  (methods as ReadonlyArray<string>).includes(said) ? said as Method : "other"

/** What this server answers. 499: the caller went away first. */
// dprint-ignore
const statuses = [
  200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 406, 408, 409, 412, 413, 414, 415, 422, 428, 429, 431, 499,
  500, 501, 502, 503, 504
] as const
export type StatusCode = `${typeof statuses[number]}`
export const statusCodes = statuses.map(String) as ReadonlyArray<string> as ReadonlyArray<StatusCode>

export const statusCodeOf = (status: number): StatusCode | "other" =>
  (statuses as ReadonlyArray<number>).includes(status) ? String(status) as StatusCode : "other"
