/** The request plane's connection to NATS, on both ends; only where it is used its client is loaded. */
import { Effect, Layer } from "effect"
import { checked, FurtherChecks } from "../../src/health/Checks.ts"
import type { CheckResult } from "../../src/health/Health.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { forPlane, natsAddress } from "./NatsAddress.ts"

export const layer = Layer.unwrap(Effect.gen(function*() {
  const { prefix, url } = yield* natsAddress(forPlane)
  const Connection = yield* Effect.promise(() => import("../../layers/nats/PlaneConnection.ts"))
  return Connection.layer(url, prefix)
}))

const look = (isNeeded: boolean) =>
  Effect.gen(function*() {
    const { PlaneConnection } = yield* Effect.promise(() => import("../../layers/nats/PlaneConnection.ts"))
    const { check, wasThere } = yield* PlaneConnection
    const { healthTimeout } = yield* Settings
    const { ready, startup } = yield* FurtherChecks
    const nats = Effect.gen(function*() {
      const found = yield* checked(check, healthTimeout)
      if (found.status === "pass" || isNeeded || !(yield* wasThere)) return found
      return { status: "pass", message: "degraded: no answer, so searches are refused" } satisfies CheckResult
    })
    return { ready: { ...ready, nats }, startup }
  })

/**
 * NATS among the checks, where it is the request plane's wire. A query process needs it; the API does more than search,
 * so it only waits for it at first: a wrong address is seen before the process gets its share of the requests.
 */
export const checks = (options: { readonly isNeeded: boolean }) =>
  Layer.unwrap(
    Effect.map(
      Settings,
      ({ requestPlane }) =>
        requestPlane === "nats"
          ? Layer.effect(FurtherChecks, look(options.isNeeded)).pipe(Layer.provide(layer))
          : Layer.empty
    )
  )
