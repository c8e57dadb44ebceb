/** `/metrics` in Prometheus' text format. */
import { Effect, Layer } from "effect"
import type { HttpRouter } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { Settings } from "../../src/settings/Settings.ts"
import type { Route } from "./RouteTable.ts"

export const routes: ReadonlyArray<Route> = [["GET", "/metrics"]]

export const layer = Layer.unwrap(Effect.map(Settings, ({ metricsEnabled, metricsPrefix }) =>
  metricsEnabled ? PrometheusMetrics.layerHttp({ path: "/metrics", prefix: metricsPrefix }) : Layer.empty)) as Layer.Layer<
    never,
    never,
    Settings | HttpRouter.HttpRouter
  >
