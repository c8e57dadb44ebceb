/** Logic: takes what clients say over gRPC, and relays what was committed to the message bus. */
import { Effect, Layer } from "effect"
import * as LogicServerGrpc from "../../layers/grpc/LogicServerGrpc.ts"
import * as HealthPostgres from "../../layers/postgres/HealthPostgres.ts"
import { Settings } from "../../src/settings/Settings.ts"
import * as ChainChecks from "./ChainChecks.ts"
import * as Foundation from "./Foundation.ts"
import * as Keeping from "./Keeping.ts"
import { launch } from "./Main.ts"
import { forChain } from "./NatsAddress.ts"
import * as Probes from "./Probes.ts"
import * as Realtime from "./Realtime.ts"
import { around } from "./Workers.ts"

const served = Layer.unwrap(
  Effect.map(
    Settings,
    ({ grpcHost: host, grpcPort: port, shutdownGrace: grace }) =>
      LogicServerGrpc.layer({ host, port, grace }, (address) => Effect.logInfo(`logic listening on ${address}`))
  )
).pipe(
  Layer.provide(Realtime.served),
  Layer.provide(Realtime.tracers.logic)
)

const probes = Probes.served(({ logicHttpPort }) => logicHttpPort).pipe(
  Layer.provide(HealthPostgres.layer({ search: false, claims: true })),
  Layer.provide(ChainChecks.logic)
)

launch(
  Layer.mergeAll(served, around(Realtime.relay), probes, Keeping.layer).pipe(
    Layer.provide([Realtime.stores, Realtime.busBetween]),
    Layer.provide(Foundation.layer("wordloom-logic", forChain))
  )
)
