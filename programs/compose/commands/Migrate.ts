/** `wordloom migrate`: brings the database up, and NATS where there is one, and says which steps that took. */
import { Effect } from "effect"
import { SqlError } from "effect/sql"
import { migrate } from "../../../layers/postgres/Migrations.ts"
import { Settings } from "../../../src/settings/Settings.ts"
import * as Backend from "./Backend.ts"
import { failure, unreachable } from "./ExitCode.ts"
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

/** The realtime chain's streams and consumer, where there is a NATS to have them; only then its client is loaded. */
const streams = Effect.gen(function*() {
  const { natsPrefix, natsUrl } = yield* Settings
  if (natsUrl === undefined) return []
  const { layer, namesOf, NatsClient } = yield* Effect.promise(() => import("../../../layers/nats/NatsClient.ts"))
  const made = NatsClient.use(({ ensure }) => ensure).pipe(
    Effect.provide(layer(natsUrl, namesOf(natsPrefix))),
    Effect.mapError((error) => unreachable(error.message))
  )
  return (yield* made) ? ["nats_streams"] : []
})

export const run = Effect.fnUntraced(function*({ json }: { readonly json: boolean }) {
  const steps = yield* Effect.gen(function*() {
    const taken = yield* migrated
    return [...taken, ...(yield* streams)]
  }).pipe(Effect.provide(Backend.layerAsIs))
  if (json) return yield* Output.printJson({ steps })
  if (steps.length === 0) return yield* Output.print("nothing to do: the database is up to date")
  yield* Output.print(["took these steps:", ...steps.map((step) => `  ${step}`)].join("\n"))
})
