/** The task: takes messages from the bus and pushes them to the gateways that hold members of their sessions. */
import { Effect, Layer } from "effect"
import * as PushClient from "../../layers/push/PushClient.ts"
import { topic } from "../../src/realtime/MessageBus.ts"
import * as TaskRunner from "../../src/realtime/TaskRunner.ts"
import * as Foundation from "./Foundation.ts"
import { launch } from "./Main.ts"
import * as Realtime from "./Realtime.ts"

const told = Layer.effectDiscard(Effect.logInfo(`taking ${topic}`))

launch(
  Layer.merge(told, TaskRunner.layer).pipe(
    Layer.provide(PushClient.layer),
    Layer.provide(Realtime.tracers.task),
    Layer.provide([Realtime.stores, Realtime.busBetween]),
    Layer.provide(Foundation.layer("wordloom-task"))
  )
)
