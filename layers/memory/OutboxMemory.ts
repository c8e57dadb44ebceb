/** Leaves one row per change and projection, in the transaction of the business write. */
import { Clock, Effect, Exit, HashMap, Layer } from "effect"
import type { Change } from "../../src/domain/Change.ts"
import { type Cause, Outbox } from "../../src/outbox/Outbox.ts"
import { type Projection, subscribed } from "../../src/outbox/Projection.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import * as EnqueueSpan from "../../src/telemetry/EnqueueSpan.ts"
import { databaseNow, Store } from "./StoreMemory.ts"

export const layer = Layer.effect(
  Outbox,
  Effect.gen(function*() {
    const store = yield* Store

    const leave = Effect.fnUntraced(function*(
      projection: Projection,
      change: Change,
      cause: Cause | undefined,
      isTold: boolean
    ) {
      const { context, span } = yield* EnqueueSpan.make(projection, cause?.span)
      const contents = yield* store.read
      const now = yield* databaseNow
      const id = contents.lastNumber + 1
      const row = {
        projection,
        id,
        change,
        trace: context ?? null,
        request: cause?.request ?? (yield* CurrentRequest),
        state: { _tag: "Fresh" },
        attempts: 0,
        crashes: 0,
        readyAt: now,
        waitingSince: now,
        reclaimed: false,
        error: null,
        createdAt: now,
        updatedAt: now
      } as const
      yield* store.write({ ...contents, lastNumber: id, rows: HashMap.set(contents.rows, id, row) })
      const endedAt = yield* Clock.currentTimeNanos
      span.end(endedAt, Exit.void)
      if (isTold) EnqueueSpan.queued({ context, span }, projection, id, endedAt)
    })

    return Outbox.of({
      append: (changes, to = subscribed, causes) => {
        const isTold = EnqueueSpan.isTold(changes, causes)
        return Effect.forEach(
          to,
          (projection) =>
            Effect.forEach(changes, (change, at) => leave(projection, change, causes?.[at], isTold), { discard: true }),
          { discard: true }
        )
      }
    })
  })
)
