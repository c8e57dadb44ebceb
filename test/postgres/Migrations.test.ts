/** Programs that start at once on an empty database bring it up together. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { migrate, missing } from "../../layers/postgres/Migrations.ts"
import * as PostgresClient from "../../layers/postgres/PostgresClient.ts"
import { freshDatabase } from "../support/PostgresForTests.ts"

it.live("several programs that have seen an empty database migrate it once, and none of them fails", () =>
  Effect.gen(function*() {
    const address = yield* freshDatabase
    // One connection each: it keeps in mind that there was no table yet.
    const program = migrate.pipe(
      Effect.provide(Layer.fresh(PostgresClient.layer(address, { name: "test", pool: 1 })))
    )
    const steps = yield* Effect.all(Array.from({ length: 4 }, () => program), { concurrency: "unbounded" })
    assert.lengthOf(steps.filter(({ length }) => length > 0), 1)
    const left = missing.pipe(Effect.provide(PostgresClient.layer(address, { name: "test", pool: 1 })))
    assert.strictEqual(yield* left, 0)
  }).pipe(Effect.scoped))
