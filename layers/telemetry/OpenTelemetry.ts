/** Spans to an OTLP collector, under the name of the service that made them; off unless asked for. */
import { Effect, Layer, References } from "effect"
import { HttpClient } from "effect/http"
import { Settings } from "../../src/settings/Settings.ts"

/** Effect's HTTP client would send B3, and lose `tracestate`: whoever sends takes the headers from `TraceCarrier`. */
const noB3 = Layer.succeed(HttpClient.TracerPropagationEnabled, false)

/**
 * The tracer of one service. A process that plays several parts (the worker drains several outboxes) has one for each.
 * With tracing off there are no spans at all, so that no id can reach a row, a header or a log line; and the SDK, which
 * takes longer to load than the rest of a small program, is not loaded.
 */
export const layer = (defaultName: string): Layer.Layer<never, never, Settings> =>
  Layer.unwrap(Effect.gen(function*() {
    const settings = yield* Settings
    if (settings.tracing === "off") return Layer.succeed(References.TracerEnabled, false)
    const TracerProvider = yield* Effect.promise(() => import("./TracerProvider.ts"))
    return TracerProvider.layer(settings, settings.serviceName ?? defaultName)
  })).pipe(Layer.merge(noB3))
