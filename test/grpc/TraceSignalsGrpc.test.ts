/** Signals of kept traces over gRPC promise what the table promises. */
import { Deferred, Duration, Effect, Layer } from "effect"
import * as LogicServerGrpc from "../../layers/grpc/LogicServerGrpc.ts"
import * as TraceSignalsGrpc from "../../layers/grpc/TraceSignalsGrpc.ts"
import * as PresencePostgres from "../../layers/postgres/PresencePostgres.ts"
import * as SessionsPostgres from "../../layers/postgres/SessionsPostgres.ts"
import * as Logic from "../../src/realtime/Logic.ts"
import * as LogicServing from "../../src/realtime/LogicServing.ts"
import * as TraceSignalsSuite from "../conformance/TraceSignalsSuite.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const served = LogicServing.layer.pipe(
  Layer.provide(Logic.layer),
  Layer.provide(Layer.merge(SessionsPostgres.layer, PresencePostgres.layer))
)

const overGrpc = Layer.unwrap(Effect.gen(function*() {
  const found = yield* Deferred.make<string>()
  const server = LogicServerGrpc.layer(
    { host: "127.0.0.1", port: 0, grace: Duration.seconds(1) },
    (address) => Effect.asVoid(Deferred.succeed(found, address))
  ).pipe(Layer.provide(served))
  const client = Layer.unwrap(Effect.map(Deferred.await(found), TraceSignalsGrpc.layer))
  return client.pipe(Layer.provideMerge(server))
})).pipe(Layer.orDie, Layer.provideMerge(PostgresStores.layer))

TraceSignalsSuite.suite({ name: "gRPC", layer: overGrpc })
