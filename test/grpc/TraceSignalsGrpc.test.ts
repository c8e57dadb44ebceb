/** Signals of kept traces over gRPC promise what the table promises. */
import { Layer } from "effect"
import * as TraceSignalsGrpc from "../../layers/grpc/TraceSignalsGrpc.ts"
import * as PresencePostgres from "../../layers/postgres/PresencePostgres.ts"
import * as SessionsPostgres from "../../layers/postgres/SessionsPostgres.ts"
import * as Logic from "../../src/realtime/Logic.ts"
import * as LogicServing from "../../src/realtime/LogicServing.ts"
import * as TraceSignalsSuite from "../conformance/TraceSignalsSuite.ts"
import { served } from "../support/LogicOverGrpc.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const logic = LogicServing.layer.pipe(
  Layer.provide(Logic.layer),
  Layer.provide(Layer.merge(SessionsPostgres.layer, PresencePostgres.layer))
)

const overGrpc = served(logic, TraceSignalsGrpc.layer).pipe(
  Layer.orDie,
  Layer.provideMerge(PostgresStores.layer)
)

TraceSignalsSuite.suite({ name: "gRPC", layer: overGrpc })
