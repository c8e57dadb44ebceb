/** A real NATS of a test's own. */
import { Effect } from "effect"
import { missing, start } from "../../infra/servers.js"

/** Why it is not there (infra/install-nats.sh). */
export const noNats = missing("nats")

export const natsServer = Effect.acquireRelease(
  Effect.promise(() => start("nats")),
  (running) => Effect.promise(() => running.stop())
)
