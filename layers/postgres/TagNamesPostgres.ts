/** Tag names in PostgreSQL, by their unique index. */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TagNames } from "../../src/catalog/TagNames.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { statement } from "./Statement.ts"

export const layer = Layer.effect(
  TagNames,
  Effect.map(SqlClient.SqlClient, (sql) =>
    TagNames.of({
      idOf: (name) =>
        statement("query", "tags", sql<{ readonly id: EntityId }>`select id from tags where name = ${name}`).pipe(
          Effect.map((rows) => rows[0]?.id),
          orUnavailable
        )
    }))
)
