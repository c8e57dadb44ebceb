/** `wordloom migrate`: brings the database up, and says which steps that took. */
import { Effect } from "effect"
import { SqlError } from "effect/sql"
import { migrate } from "../../../layers/postgres/Migrations.ts"
import * as Backend from "./Backend.ts"
import { failure } from "./ExitCode.ts"
import * as Output from "./Output.ts"

const why = (error: unknown): string => {
  const { cause } = SqlError.isSqlError(error) ? error.reason : { cause: error }
  return cause instanceof Error ? cause.message : String(cause)
}

const migrated = migrate.pipe(
  Effect.catchTags({
    SqlError: (error) => Effect.fail(failure(why(error))),
    MigrationError: (error) => Effect.fail(failure(`${error.message}: ${why(error.cause)}`))
  })
)

export const run = Effect.fnUntraced(function*({ json }: { readonly json: boolean }) {
  const steps = yield* migrated.pipe(Effect.provide(Backend.layerAsIs))
  if (json) return yield* Output.printJson({ steps })
  if (steps.length === 0) return yield* Output.print("nothing to do: the database is up to date")
  yield* Output.print(["took these steps:", ...steps.map((step) => `  ${step}`)].join("\n"))
})
