/** What the API believes of its callers' trace context, as the settings say. */
import { Effect, Layer, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { databaseKey } from "../../layers/postgres/DatabaseKey.ts"
import { keyedHash } from "../../layers/telemetry/KeyedHash.ts"
import { Settings, type SettingValues } from "../../src/settings/Settings.ts"
import { TraceBorder } from "../../src/telemetry/TraceBorder.ts"

const ratioOf = ({ sampler, samplerRatio }: SettingValues): number => {
  switch (sampler) {
    case "always_on":
    case "parentbased_always_on":
      return 1
    case "always_off":
    case "parentbased_always_off":
      return 0
    case "parentbased_traceidratio":
      return samplerRatio
  }
}

/** For a database that does not answer: each process decides alike for as long as it lives. */
const ownKey = Effect.sync(() => Redacted.make(randomBytes(32).toString("hex")))

export const layer = Layer.unwrap(Effect.gen(function*() {
  const settings = yield* Settings
  const { traceSecret, traceTrust } = settings
  const key = traceSecret ?? (yield* Effect.catchCause(databaseKey, () => ownKey))
  return TraceBorder.layer({
    trust: traceTrust,
    ratio: ratioOf(settings),
    hash: keyedHash(key),
    tokens: traceSecret === undefined ? undefined : keyedHash(traceSecret)
  })
}))
