/** What has become of a change, judged by the settings of this program. */
import { Duration, Effect, Layer } from "effect"
import { Explainer } from "../../src/explain/Explainer.ts"
import { Settings } from "../../src/settings/Settings.ts"

/** From here on explain says why a change took so long. */
const slowMs = 1_000

/** `engineWithin`: an engine that takes longer to show a document counts as away. */
export const layer = (engineWithin: Duration.Input) =>
  Layer.unwrap(
    Effect.map(Settings, ({ pollInterval, retention, traceUrl }) =>
      Explainer.layer({
        retentionMs: Duration.toMillis(retention),
        pollMs: Duration.toMillis(pollInterval),
        engineMs: Duration.toMillis(engineWithin),
        slowMs,
        traceUrl
      }))
  )
