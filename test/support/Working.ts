/** A worker for tests: its settings, and its parts over stores in memory. */
import { Duration, Effect, Layer } from "effect"
import * as WorkerIdentityMemory from "../../layers/memory/WorkerIdentityMemory.ts"
import type { Destination } from "../../src/delivery/Destination.ts"
import { Dispatcher } from "../../src/delivery/Dispatcher.ts"
import * as Worker from "../../src/delivery/Worker.ts"
import type { Change } from "../../src/domain/Change.ts"
import { changeOf, commit, requestedAs } from "./Changes.ts"

export const options: Worker.WorkerOptions = {
  projection: "search",
  batchSize: 500,
  concurrency: 2,
  leaseFor: Duration.seconds(30),
  pollInterval: Duration.seconds(1),
  attemptsMax: 3,
  drainFor: Duration.seconds(25)
}

const policy = { attemptsMax: 3, leaseFor: options.leaseFor, backoff: { baseMs: 10_000, capMs: 60_000 } }

/** Whom the worker delivers to, and who it is. */
export const parts = (destination: Layer.Layer<Destination>, worker = "w1") =>
  Layer.merge(
    Dispatcher.layer(policy).pipe(Layer.provide(destination)),
    Layer.orDie(WorkerIdentityMemory.layer(worker))
  )

export const runOnce = Worker.runOnce(options)
export const reclaimOnce = Worker.reclaimOnce(options)

/** Commits within the span of a request, as the API does. */
export const request = (...changes: ReadonlyArray<Change>) =>
  commit(...(changes.length === 0 ? [changeOf()] : changes)).pipe(
    requestedAs("r-1"),
    Effect.withSpan("POST /api/v1/tags", { kind: "server", root: true })
  )
