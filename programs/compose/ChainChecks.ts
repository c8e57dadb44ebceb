/** What programs of the realtime chain need beside their database, as probes ask for it. */
import { Deferred, Effect, Layer } from "effect"
import { checked, FurtherChecks, skipped } from "../../src/health/Checks.ts"
import type { CheckResult } from "../../src/health/Health.ts"
import { formatAddress } from "../../src/settings/SettingKind.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { OpenDoor } from "./OpenDoor.ts"
import { natsClient } from "./Realtime.ts"

const closed: CheckResult = { status: "fail", message: "not listening" }

/** Knocks, as whoever opens a WebSocket does first. */
const knocking = (door: URL) =>
  Effect.tryPromise((signal) => fetch(`http://${door.host}/health`, { signal })).pipe(
    Effect.filterOrFail(({ ok }) => ok)
  )

const whenOpen = (door: OpenDoor["Service"], otherwise: CheckResult, look: (url: URL) => Effect.Effect<CheckResult>) =>
  Effect.flatMap(
    Deferred.isDone(door),
    (isOpen) => isOpen ? Effect.flatMap(Deferred.await(door), look) : Effect.succeed(otherwise)
  )

const listening = (otherwise: CheckResult) => (door: OpenDoor["Service"]) =>
  whenOpen(door, otherwise, ({ port }) => Effect.succeed({ status: "pass", port: Number(port) }))

/** Whether logic can be asked, by way of what gateways ask. */
const checkedLogic = Effect.gen(function*() {
  const { make } = yield* Effect.promise(() => import("../../layers/grpc/LogicProbe.ts"))
  const { grpcHost, grpcPort, healthTimeout } = yield* Settings
  const { serves } = yield* make(formatAddress({ host: grpcHost, port: grpcPort }), healthTimeout)
  return { check: checked(serves, healthTimeout) }
})

export const gateway = Layer.effect(
  FurtherChecks,
  Effect.gen(function*() {
    const { healthTimeout } = yield* Settings
    const door = yield* OpenDoor
    return {
      ready: {
        logic: (yield* checkedLogic).check,
        websocket_server: whenOpen(door, closed, (url) => checked(knocking(url), healthTimeout))
      },
      startup: { websocket_server: listening(closed)(door) }
    }
  })
)

/** Everything in one process: its door may stay closed, since the port may be taken, and the rest goes on. */
export const inOneProcess = Layer.effect(
  FurtherChecks,
  Effect.map(OpenDoor, (door) => ({
    ready: {},
    startup: { websocket_server: listening(skipped("not listening"))(door) }
  }))
)

const nats = Effect.gen(function*() {
  const { NatsClient } = yield* Effect.promise(() => import("../../layers/nats/NatsClient.ts"))
  const { connection } = yield* NatsClient
  const { healthTimeout } = yield* Settings
  return { nats: checked(Effect.tryPromise(() => connection.rtt()), healthTimeout) }
})

export const task = Layer.effect(
  FurtherChecks,
  Effect.map(nats, (ready) => ({ ready, startup: {} }))
).pipe(Layer.provide(natsClient))

export const logic = Layer.effect(
  FurtherChecks,
  Effect.gen(function*() {
    return { ready: { ...(yield* nats), grpc_server: (yield* checkedLogic).check }, startup: {} }
  })
).pipe(Layer.provide(natsClient))
