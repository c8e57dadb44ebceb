/** Asks the lanes who holds them. */
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { InFlight } from "../../src/outbox/InFlight.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { texts } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent } from "./Statement.ts"

const lookEvery = Schedule.spaced("50 millis")

export const layer = Layer.effect(
  InFlight,
  Effect.map(SqlClient.SqlClient, (sql) => {
    /** A claim that is not committed yet is not seen, and reads whatever was committed before this. */
    const tokens = (projection: Projection) =>
      Effect.map(
        sql<{ readonly token: string }>`
          select distinct token::text as token from outbox_lanes
          where projection = ${projection} and token is not null and lease_until > clock_timestamp()`,
        (rows) => rows.map(({ token }) => token)
      )
    const held = (projection: Projection, known: ReadonlyArray<string>) =>
      Effect.map(
        sql`select from outbox_lanes where projection = ${projection} and token::text = any(${texts(known)})
          and lease_until > clock_timestamp() limit 1`,
        (rows) => rows.length > 0
      )
    return InFlight.of({
      ended: (projection) =>
        Effect.flatMap(
          tokens(projection),
          (known) => Effect.repeat(held(projection, known), { schedule: lookEvery, while: (still) => still })
        ).pipe(
          silent,
          orUnavailable,
          Effect.asVoid
        )
    })
  })
)
