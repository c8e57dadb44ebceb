/** The probes and metrics of a program that serves nothing else over HTTP, on one port. */
import { Effect, Layer } from "effect"
import * as HealthRoutes from "../../layers/http/HealthRoutes.ts"
import * as MetricsRoute from "../../layers/http/MetricsRoute.ts"
import { serve } from "../../layers/http/Serve.ts"
import { Settings, type SettingValues } from "../../src/settings/Settings.ts"

/** Needs the checks. */
export const served = (portOf: (settings: SettingValues) => number) =>
  Layer.unwrap(Effect.map(Settings, (settings) => {
    const { httpHost: host, shutdownGrace: grace } = settings
    return serve(Layer.merge(HealthRoutes.layer, MetricsRoute.layer), Layer.empty, {
      host,
      port: portOf(settings),
      grace
    })
  }))
