/** How the pool of connections to the database stands, as the pool itself knows it. */
import { Context, type Effect } from "effect"

export interface PoolState {
  readonly open: number
  readonly max: number
  /** Who has asked for a connection and has none yet. */
  readonly waiting: number
}

export class DatabasePool extends Context.Service<DatabasePool, {
  /** Asks nobody, so a database that is away delays no look. */
  readonly look: Effect.Effect<PoolState>
}>()("wordloom/telemetry/DatabasePool") {}
