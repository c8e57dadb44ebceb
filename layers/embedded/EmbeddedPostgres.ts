/** A real PostgreSQL on this machine for all programs with the same home: the first starts it, the last stops it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Attachment from "./Attachment.ts"
import { username } from "./DataFolder.ts"
import type { EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"
import * as Home from "./Home.ts"
import { address } from "./Postmaster.ts"
import { database } from "./Session.ts"

/** Where to connect. It stays valid for the life of the scope, also when the server has to be started again. */
export interface EmbeddedPostgres {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly username: string
  readonly password: Redacted.Redacted
}

/**
 * Starts the server of this home, or attaches to the one that runs. When the scope closes, the server is stopped unless
 * another program is attached; a program that was killed is not. Needs the real clock.
 */
export const acquire = Effect.fnUntraced(function*(
  home: string
): Effect.fn.Return<EmbeddedPostgres, EmbeddedPostgresUnavailable, Scope.Scope> {
  const attachment = Attachment.make(yield* Home.prepare(home))
  yield* Effect.addFinalizer(() => Attachment.leave(attachment))
  const { password, session } = yield* Attachment.attach(attachment, { mayInitialise: true })
  yield* Effect.forkScoped(keepAttached(attachment))
  return { host: address, port: session.port, database, username, password }
})

// min is a cap: the wait grows to half a minute and no further.
const patience = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("30 seconds")])

/**
 * A server that crashed takes every attachment with it. Without this, a program that lives on would not count any more,
 * and the next one to leave would stop a server that is still in use.
 */
const keepAttached = Effect.fnUntraced(function*(attachment: Attachment.Attachment) {
  while (true) {
    const lost = attachment.session
    if (lost === undefined) return
    yield* lost.lost
    attachment.session = undefined
    yield* Effect.logWarning("embedded PostgreSQL went away, starting it again")
    yield* lost.close
    const { session } = yield* Attachment.attach(attachment, { mayInitialise: false }).pipe(
      Effect.tapError((error) => Effect.logWarning(error.message)),
      Effect.retry(patience)
    )
    if (session.port !== lost.port) {
      yield* Effect.logError(
        `embedded PostgreSQL came back on port ${session.port} because ${lost.port} is taken: start this program again`
      )
    }
  }
}, (effect) => Effect.tapCause(effect, logUnlessInterrupted))

// A fiber in the background fails without a word otherwise.
const logUnlessInterrupted = (cause: Cause.Cause<unknown>) =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.void
    : Effect.logError("embedded PostgreSQL is not looked after any more", cause)
