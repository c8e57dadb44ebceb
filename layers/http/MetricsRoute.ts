/** `/metrics` in Prometheus' text format. */
import { Effect, Layer } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { Settings } from "../../src/settings/Settings.ts"
import type { Route } from "./RouteTable.ts"

export const routes: ReadonlyArray<Route> = [["GET", "/metrics"]]

export const layer = Layer.unwrap(
  Effect.map(
    Settings,
    ({ metricsEnabled, metricsPrefix }) =>
      metricsEnabled ? PrometheusMetrics.layerHttp({ path: "/metrics", prefix: metricsPrefix }) : Layer.empty
  )
)
