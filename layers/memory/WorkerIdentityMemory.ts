/** A worker's name, its own for as long as its layer lives. */
import { Effect, Layer } from "effect"
import { WorkerIdentity, WorkerIdTaken } from "../../src/delivery/WorkerIdentity.ts"

/** Give every worker of one test the same `living`. */
export const layer = (id: string, living = new Set<string>()) =>
  Layer.effect(
    WorkerIdentity,
    Effect.acquireRelease(
      Effect.suspend(() =>
        living.has(id)
          ? Effect.fail(new WorkerIdTaken({ id }))
          : Effect.sync(() => {
            living.add(id)
            return WorkerIdentity.of({ id })
          })
      ),
      () => Effect.sync(() => living.delete(id))
    )
  )
