/** Gets a program attached to the server of a home, in whatever state that is found, and lets it go again. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import * as DataFolder from "./DataFolder.ts"
import { causeInBrief, EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"
import { type Home, readPassword } from "./Home.ts"
import * as PostgresPackage from "./PostgresPackage.ts"
import * as Postmaster from "./Postmaster.ts"
import * as PostmasterFile from "./PostmasterFile.ts"
import * as ServerUser from "./ServerUser.ts"
import * as Session from "./Session.ts"

/** What one program holds of the server of its home. */
export interface Attachment {
  readonly home: Home
  session: Session.Session | undefined
  /** Started here and attached to by nobody yet, so that nobody else will stop it. */
  started: Postmaster.Postmaster | undefined
  /** Where the server was, and where it should be again. */
  port: number | undefined
}

export const make = (home: Home): Attachment => ({ home, session: undefined, started: undefined, port: undefined })

const readyMax = "30 seconds"
const pollEvery = "20 millis"

/** `mayInitialise` is false for a program that had data and must not go on with an empty database instead. */
export const attach = Effect.fnUntraced(function*(
  self: Attachment,
  options: { readonly mayInitialise: boolean }
): Effect.fn.Return<
  { readonly session: Session.Session; readonly password: Redacted.Redacted },
  EmbeddedPostgresUnavailable
> {
  const { home } = self
  const postgres = yield* PostgresPackage.locate
  yield* DataFolder.removeAbandonedDrafts(home)
  if (!(yield* DataFolder.isInitialised(home, postgres))) {
    if (!options.mayInitialise) return yield* Postmaster.startFailed(home, `its data folder ${home.data} is gone`)
    yield* DataFolder.initialise(home, postgres, yield* ServerUser.choose(home, postgres))
  }
  const password = yield* readPassword(home)
  const session = yield* untilAttached(self, postgres, password).pipe(
    Effect.timeoutOrElse({ duration: readyMax, orElse: () => tooSlow(home) })
  )
  return { session, password }
})

/**
 * Each round looks afresh at what is there, since other programs start and stop the same server at the same time.
 * PostgreSQL decides who of several starters wins; the others find its server in their next round.
 */
const untilAttached = Effect.fnUntraced(function*(
  self: Attachment,
  postgres: PostgresPackage.PostgresPackage,
  password: Redacted.Redacted
) {
  const starter = makeStarter(self, postgres)
  while (true) {
    const observed = yield* observe(self.home)
    if (observed._tag === "Absent") yield* starter(observed.port)
    else if (observed._tag === "Foreign") yield* discard(self, observed.file)
    else if (observed.file.status === "ready") {
      const session = yield* join(self, observed.file, observed.proven, password)
      if (session !== undefined) return session
    }
    yield* Effect.sleep(pollEvery)
  }
})

const observe = (home: Home) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.try({
      try: () => PostmasterFile.observe(home.data, now),
      catch: (cause) => unusable(home, `cannot be read (${causeInBrief(cause)})`)
    }))

const discard = (self: Attachment, file: PostmasterFile.PostmasterFile) =>
  Effect.try({
    try: () => {
      self.port ??= file.port
      PostmasterFile.discard(self.home.data, file)
    },
    catch: (cause) => unusable(self.home, `has a stale postmaster.pid that cannot be removed (${causeInBrief(cause)})`)
  })

const unusable = (home: Home, what: string) =>
  new EmbeddedPostgresUnavailable({
    reason: "DataUnusable",
    problem: `the data folder ${home.data} ${what}`,
    remedy: "Run this as the user who ran it before, set WORDLOOM_HOME to another folder"
  })

const join = (
  self: Attachment,
  file: PostmasterFile.PostmasterFile,
  proven: boolean,
  password: Redacted.Redacted
): Effect.Effect<Session.Session | undefined, EmbeddedPostgresUnavailable> => {
  const port = file.port ?? 0
  const keep = (session: Session.Session) => {
    self.session = session
    self.started = undefined
    self.port = port
  }
  const recover = (error: SqlError): Effect.Effect<undefined, EmbeddedPostgresUnavailable> => {
    switch (Session.codeOf(error)) {
      case "3D000":
        return Session.createDatabase(port, password).pipe(Effect.ignore, Effect.as(undefined))
      case "28P01":
        return Effect.fail(unusable(self.home, `does not take the password in ${self.home.passwordFile}`))
      case "ECONNREFUSED":
        // A ready server listens. Whoever has this process id now is another.
        return proven ? Effect.undefined : Effect.as(discard(self, file), undefined)
      default:
        // It stops, restarts or recovers; the next round will see.
        return Effect.undefined
    }
  }
  return Session.attach(port, password, keep).pipe(Effect.catch(recover))
}

const startsMax = 3

/** Starts a server where there is none, and judges what became of the one it started before. */
const makeStarter = (self: Attachment, postgres: PostgresPackage.PostgresPackage) => {
  let failures = 0

  const judge = (ended: Postmaster.Postmaster): Effect.Effect<void, EmbeddedPostgresUnavailable> => {
    self.started = undefined
    // Another program can attach first, and leave as the last one.
    if (ended.wasStopped()) return Effect.void
    const words = ended.lastWords()
    // F0001: another server has the folder, or the last children of one that was killed have not ended yet.
    if (!words.some((line) => line.includes(" F0001 "))) {
      failures += 1
      self.port = undefined
      if (failures >= startsMax) return Effect.fail(Postmaster.startFailed(self.home, words.join(" | ")))
    }
    return Effect.sleep("200 millis")
  }

  return Effect.fnUntraced(function*(lastPort: number | undefined) {
    if (self.started !== undefined) {
      return self.started.hasEnded() ? yield* judge(self.started) : undefined
    }
    const user = yield* ServerUser.choose(self.home, postgres)
    yield* DataFolder.giveToServer(self.home, user)
    const port = yield* Postmaster.freePort(self.home, self.port ?? (failures === 0 ? lastPort : undefined))
    yield* Postmaster.start(self.home, postgres, user, port).pipe(
      Effect.tap((started) =>
        Effect.sync(() => {
          self.started = started
        })
      ),
      Effect.uninterruptible
    )
  })
}

const tooSlow = (home: Home) =>
  Effect.fail(
    new EmbeddedPostgresUnavailable({
      reason: "TooSlow",
      problem: `the server was not ready within ${readyMax} (${Postmaster.logTail(home).join(" | ")})`,
      remedy: `See ${home.log} and start again`
    })
  )

/** Stops the server if nobody else is attached to it. Never fails: a server that cannot be asked is left as it is. */
export const leave = Effect.fnUntraced(function*(self: Attachment) {
  const { session, started } = self
  if (session !== undefined) {
    const last = yield* session.leave.pipe(
      Effect.timeoutOption("5 seconds"),
      Effect.orElseSucceed(() => Option.none<boolean>())
    )
    // The session still holds the lock, so that nobody attaches to a server that is about to stop.
    if (Option.getOrElse(last, () => false)) yield* stopServer(self.home)
    yield* session.close
  } else if (started !== undefined && !started.hasEnded()) {
    yield* Postmaster.stop(started.pid)
  }
})

const stopServer = (home: Home) =>
  observe(home).pipe(
    Effect.flatMap((observed) => observed._tag === "Running" ? Postmaster.stop(observed.file.pid) : Effect.void),
    Effect.ignore
  )
