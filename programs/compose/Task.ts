/** The task: takes messages from the bus and pushes them to the gateways that hold members of their sessions. */
import { Effect, Layer } from "effect"
import * as HealthPostgres from "../../layers/postgres/HealthPostgres.ts"
import * as PushClient from "../../layers/push/PushClient.ts"
import { topic } from "../../src/realtime/MessageBus.ts"
import * as ChainChecks from "./ChainChecks.ts"
import * as Foundation from "./Foundation.ts"
import * as Keeping from "./Keeping.ts"
import { launch } from "./Main.ts"
import { forChain } from "./NatsAddress.ts"
import * as Probes from "./Probes.ts"
import * as Realtime from "./Realtime.ts"

const told = Layer.effectDiscard(Effect.logInfo(`taking ${topic}`))

const probes = Probes.served(({ taskHttpPort }) => taskHttpPort).pipe(
  Layer.provide(HealthPostgres.layer({ search: false })),
  Layer.provide(ChainChecks.task)
)

const task = Realtime.tasked.pipe(
  Layer.provide(PushClient.layer),
  Layer.provide(Realtime.tracers.task),
  Layer.provide([Realtime.stores, Realtime.busBetween])
)

launch(
  Layer.mergeAll(told, task, probes, Keeping.layer).pipe(Layer.provide(Foundation.layer("wordloom-task", forChain)))
)
