/** Which NATS, and what names in it begin with. */
import { Effect } from "effect"
import { Settings, SettingsInvalid } from "../../src/settings/Settings.ts"

/** `neededWhere` completes "must be set where". */
export const natsAddress = (neededWhere: string) =>
  Effect.gen(function*() {
    const { natsPrefix: prefix, natsUrl: url } = yield* Settings
    if (url !== undefined) return { url, prefix }
    return yield* new SettingsInvalid({
      mistakes: [{ name: "NATS_URL", value: "", allowed: `must be set where ${neededWhere}` }]
    })
  })
