/** What people ask about the outboxes, answered with bounds; every count has a bound. */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { OutboxReport, ProjectionStats } from "../../src/outbox/OutboxReport.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { deadGroups } from "./DeadGroups.ts"
import { listEvents } from "./EventList.ts"
import { countsOf } from "./OutboxCounts.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { replayed } from "./Replay.ts"

/** Counting further than this would make a look at a full outbox a load on it. */
const countMax = 1_000_000

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const stats = (projection: Projection) =>
    Effect.map(
      countsOf(sql, projection, countMax),
      ({ finished_per_second: _pace, ...counts }) => ProjectionStats.make(counts)
    )

  return OutboxReport.of({
    stats: orUnavailable(Effect.forEach(Projection.literals, stats)),
    events: (filter, limit, after) => orUnavailable(listEvents(sql, filter, limit, after)),
    deadGroups: orUnavailable(deadGroups(sql)),
    replay: (filter) => orUnavailable(replayed(sql, filter))
  })
})

export const layer = Layer.effect(OutboxReport, make)
