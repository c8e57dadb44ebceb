/** Takes back what dead workers held. */
import { Clock, Effect } from "effect"
import { Leases, type LostAttempt } from "../outbox/Leases.ts"
import type { Projection } from "../outbox/Projection.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { tellLost } from "./AttemptSpans.ts"
import type { WorkerOptions } from "./Turn.ts"

const tellReclaimed = Effect.fnUntraced(function*(projection: Projection, lost: ReadonlyArray<LostAttempt>) {
  const now = yield* Clock.currentTimeNanos
  yield* tellLost(projection, lost, now - BigInt(Math.round(lost[0]!.lostAt)) * 1_000n)
  yield* Metrics.reclaims.add({ projection }, lost.length)
  for (const error_type of ["crash_loop", "lease_expired"] as const) {
    const buried = lost.filter(({ fate }) => fate === error_type).length
    if (buried > 0) yield* Metrics.deadRows.add({ projection, error_type }, buried)
  }
  yield* Effect.logWarning("rows were taken back from a worker that never settled them", {
    projection,
    rows: lost.length,
    workers: [...new Set(lost.map(({ worker }) => worker))].slice(0, 10)
  })
})

/** Frees what one dead claim held, and tells of the attempts that were lost. */
export const reclaimOnce = Effect.fnUntraced(function*({ attemptsMax, projection }: WorkerOptions) {
  const leases = yield* Leases
  const lost = yield* leases.reclaim(projection, { attemptsMax })
  if (lost.length > 0) yield* Effect.ignoreCause(tellReclaimed(projection, lost))
  return lost.length
})
