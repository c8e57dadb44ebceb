/** The stages of a search as calls between processes. */
import { Rpc, RpcGroup } from "effect/rpc"
import { Hydrate, Hydrated, HydrateFailed, Recall, Recalled, RecallFailed } from "../../src/plane/Payloads.ts"

export class StageApi extends RpcGroup.make(
  Rpc.make("recall", { payload: Recall, success: Recalled, error: RecallFailed }),
  Rpc.make("hydrate", { payload: Hydrate, success: Hydrated, error: HydrateFailed })
) {}
