/** Says at the start what is allowed but probably not meant. */
import { Effect, Layer } from "effect"
import { notices, Settings } from "../../src/settings/Settings.ts"

export const layer = Layer.effectDiscard(
  Effect.flatMap(
    Settings,
    (settings) =>
      Effect.forEach(notices(process.env, settings), (notice) => Effect.logWarning(notice), { discard: true })
  )
)
