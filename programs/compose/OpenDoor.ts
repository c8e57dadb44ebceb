/** Where clients of the realtime chain come in, for whoever has to know whether they can. */
import { Context, Deferred, Layer } from "effect"

/** The address of the gateway's door, once it is open. */
export class OpenDoor extends Context.Service<OpenDoor, Deferred.Deferred<URL>>()("wordloom/compose/OpenDoor") {
  static readonly layer = Layer.effect(OpenDoor, Deferred.make<URL>())
}
