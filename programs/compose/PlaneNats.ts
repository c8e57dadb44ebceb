/** The request plane's connection to NATS, on both ends; only where it is used its client is loaded. */
import { Effect, Layer } from "effect"
import { Settings, SettingsInvalid } from "../../src/settings/Settings.ts"
import { CannotStart } from "./Main.ts"

export const layer = Layer.unwrap(Effect.gen(function*() {
  const { natsUrl } = yield* Settings
  if (natsUrl === undefined) {
    return yield* new SettingsInvalid({
      mistakes: [{ name: "NATS_URL", value: "", allowed: "must be set where WORDLOOM_REQUEST_PLANE is nats" }]
    })
  }
  const Client = yield* Effect.promise(() => import("../../layers/nats/NatsClient.ts"))
  return Client.layer(natsUrl).pipe(
    Layer.catchTag(
      "BusUnavailable",
      ({ detail }) => Layer.effect(Client.NatsClient, Effect.fail(new CannotStart({ reason: detail })))
    )
  )
}))
