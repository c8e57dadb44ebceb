/** Logic served over gRPC on a free port, and what is asked there. */
import { Deferred, Duration, Effect, Layer } from "effect"
import * as LogicServerGrpc from "../../layers/grpc/LogicServerGrpc.ts"
import type { ServedLogic } from "../../src/realtime/LogicServing.ts"

/** `client` gets the address as the server tells it. */
export const served = <A, E, R>(
  logic: Layer.Layer<ServedLogic, E, R>,
  client: (address: string) => Layer.Layer<A>,
  host = "127.0.0.1"
) =>
  Layer.unwrap(Effect.gen(function*() {
    const found = yield* Deferred.make<string>()
    const server = LogicServerGrpc.layer(
      { host, port: 0, grace: Duration.seconds(1) },
      (address) => Effect.asVoid(Deferred.succeed(found, address))
    ).pipe(Layer.provide(logic))
    return Layer.unwrap(Effect.map(Deferred.await(found), client)).pipe(Layer.provideMerge(server))
  }))
