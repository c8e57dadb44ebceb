/** The request plane over a real NATS; skipped where there is none (infra/install-nats.sh). */
import { describe } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { missing, start } from "../../infra/servers.js"
import * as NatsClient from "../../layers/nats/NatsClient.ts"
import * as StageWire from "../../layers/nats/StageWire.ts"
import * as RequestPlaneRemote from "../../layers/plane/RequestPlaneRemote.ts"
import * as StageServer from "../../layers/plane/StageServer.ts"
import { type PlaneOver, remoteSuite, suite } from "../conformance/RequestPlaneSuite.ts"

const why = missing("nats")
const connection = Layer.unwrap(Effect.map(
  Effect.acquireRelease(
    Effect.promise(() => start("nats")),
    (running) => Effect.promise(() => running.stop())
  ),
  ({ url }) => NatsClient.layer(Redacted.make(url))
))
const client = RequestPlaneRemote.over({
  wire: "nats",
  recall: StageWire.clientProtocol,
  hydrate: StageWire.clientProtocol
})
const server = StageServer.served("nats").pipe(Layer.provide(StageWire.serverProtocol))

const plane: PlaneOver = (index) => client.pipe(Layer.provide(Layer.provide(server, index)), Layer.provide(connection))

describe.skipIf(why !== undefined)(`NATS${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
  if (why !== undefined) return
  suite("nats", plane)
  remoteSuite("nats", plane, client.pipe(Layer.provide(connection)))
})
