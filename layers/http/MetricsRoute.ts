/** `/metrics`, as Prometheus' text or as OpenMetrics, whichever the scraper likes better. */
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Settings } from "../../src/settings/Settings.ts"
import { type MetricsFormat, MetricsReport } from "../../src/telemetry/MetricsReport.ts"
import type { Route } from "./RouteTable.ts"

export const routes: ReadonlyArray<Route> = [["GET", "/metrics"]]

const contentTypes: Readonly<Record<MetricsFormat, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
}

/** A header is at most 16 KiB; a scraper names four or five types. */
const rangesMax = 32

interface Range {
  readonly type: string
  readonly version: string | undefined
  readonly quality: number
}

const rangeOf = (text: string): Range => {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase())
  const parameter = (name: string) =>
    parameters.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1).replaceAll("\"", "")
  const quality = Number(parameter("q") ?? "1")
  return { type, version: parameter("version"), quality: quality >= 0 && quality <= 1 ? quality : 0 }
}

/** The versions of OpenMetrics that what is rendered is valid in; one that is not said is any. */
const versions = new Set([undefined, "1.0.0", "0.0.1"])

/**
 * OpenMetrics only where it is asked for by name and not liked less: everybody else reads the plain text.
 *
 * ```ts
 * formatFor("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
 * // => "openmetrics"
 * ```
 */
export const formatFor = (accept: string | undefined): MetricsFormat => {
  const ranges = (accept ?? "").split(",", rangesMax).map(rangeOf)
  const best = (isMeant: (range: Range) => boolean) =>
    Math.max(0, ...ranges.filter(isMeant).map(({ quality }) => quality))
  const open = best(({ type, version }) => type === "application/openmetrics-text" && versions.has(version))
  return open > 0 && open >= best(({ type }) => type === "text/plain") ? "openmetrics" : "text"
}

const metrics = Effect.gen(function*() {
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const format = formatFor(headers["accept"])
  const report = yield* MetricsReport
  return HttpServerResponse.text(yield* report.render(format), {
    contentType: contentTypes[format],
    headers: { vary: "accept" }
  })
})

export const layer = Layer.unwrap(
  Effect.map(
    Settings,
    ({ metricsEnabled }) => metricsEnabled ? HttpRouter.add("GET", "/metrics", metrics) : Layer.empty
  )
)
