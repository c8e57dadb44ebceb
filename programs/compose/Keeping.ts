/** The exchange with other processes of traces that are worth keeping: once in each process, whatever that plays. */
import { Layer } from "effect"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import * as KeepExchange from "../../src/telemetry/KeepExchange.ts"

export const layer = KeepExchange.layer().pipe(Layer.provide(OpenTelemetry.layer("wordloom")))
