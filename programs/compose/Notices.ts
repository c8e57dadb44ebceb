/** Says at the start whether there will be traces, and what is allowed but probably not meant. */
import { Effect, Layer } from "effect"
import { notices, Settings, tracingDecidedBy } from "../../src/settings/Settings.ts"

export const layer = Layer.effectDiscard(Effect.gen(function*() {
  const settings = yield* Settings
  const { tracing } = settings
  yield* Effect.logInfo(`tracing is ${tracing}`, { tracing, decided_by: tracingDecidedBy(process.env, settings) })
  yield* Effect.forEach(notices(process.env, settings), (notice) => Effect.logWarning(notice), { discard: true })
}))
