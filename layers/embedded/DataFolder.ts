/** Makes the data folder when there is none, in one step, and refuses one that is not meant for this PostgreSQL. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { causeInBrief, EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"
import { ensurePassword, type Home } from "./Home.ts"
import type { PostgresPackage } from "./PostgresPackage.ts"
import { isAlive } from "./ProcessFacts.ts"
import { type Ended, runToEnd } from "./RunToEnd.ts"
import type { Account, ServerUser } from "./ServerUser.ts"

/** The owner of everything inside, who is superuser: this server serves one product on one machine. */
export const username = "wordloom"

const initMax = "60 seconds"
const draftAgeMaxMillis = 10 * 60_000

/** Fails, and touches nothing, when what is there is of another version or no data folder at all. */
export const isInitialised = (
  home: Home,
  postgres: PostgresPackage
): Effect.Effect<boolean, EmbeddedPostgresUnavailable> =>
  Effect.suspend(() => {
    let version: string
    try {
      version = Fs.readFileSync(Path.join(home.data, "PG_VERSION"), "utf8").trim()
    } catch (error) {
      const code = causeInBrief(error)
      if (code !== "ENOENT") return unusable(home, `cannot be read (${code})`)
      const present = Fs.existsSync(home.data) && Fs.readdirSync(home.data).length > 0
      return present ? unusable(home, "is not empty and not a PostgreSQL data folder") : Effect.succeed(false)
    }
    return version === String(postgres.major)
      ? Effect.succeed(true)
      : unusable(home, `belongs to PostgreSQL ${version}, and this is PostgreSQL ${postgres.major}`)
  })

const unusable = (home: Home, what: string) =>
  Effect.fail(
    new EmbeddedPostgresUnavailable({
      reason: "DataUnusable",
      problem: `the data folder ${home.data} ${what}`,
      remedy: "Set WORDLOOM_HOME to another folder, or move this one away to start empty"
    })
  )

/**
 * Everything is made in a draft beside the data folder, and renamed when it is complete: there is never half a data
 * folder, and of two programs that start at once the second finds the place taken, and removes its own draft.
 */
export const initialise = Effect.fnUntraced(function*(
  home: Home,
  postgres: PostgresPackage,
  user: ServerUser
): Effect.fn.Return<void, EmbeddedPostgresUnavailable> {
  yield* ensurePassword(home)
  yield* Effect.acquireUseRelease(
    Effect.try({ try: () => makeDraft(home, user.account), catch: (cause) => initFailed(causeInBrief(cause)) }),
    (draft) => Effect.andThen(initdb(draft, postgres, user), takePlace(draft, home)),
    removeFolder
  )
})

const draftPrefix = "postgres.init-"

/** The server's user must be able to read the password here, and only here. */
const makeDraft = (home: Home, account: Account | undefined): string => {
  const draft = Path.join(home.folder, `${draftPrefix}${process.pid}-${Crypto.randomBytes(6).toString("hex")}`)
  Fs.mkdirSync(draft, { mode: 0o700 })
  const password = Path.join(draft, "password")
  Fs.writeFileSync(password, Fs.readFileSync(home.passwordFile), { mode: 0o600 })
  if (account !== undefined) {
    Fs.chownSync(password, account.uid, account.gid)
    Fs.chownSync(draft, account.uid, account.gid)
  }
  return draft
}

const initdb = Effect.fnUntraced(function*(
  draft: string,
  postgres: PostgresPackage,
  user: ServerUser
): Effect.fn.Return<void, EmbeddedPostgresUnavailable> {
  // PostgreSQL's own C.UTF-8 sorts alike on every machine. What is a letter is still asked of the system when text is
  // split into words for searching; a system without C.UTF-8 then takes every character beyond ASCII for a letter.
  let ended: Ended | undefined
  for (const ctype of ["C.UTF-8", "C"]) {
    ended = yield* runToEnd(user.command(postgres.initdb, [
      `--pgdata=${Path.join(draft, "data")}`,
      `--username=${username}`,
      `--pwfile=${Path.join(draft, "password")}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      `--lc-ctype=${ctype}`,
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--no-instructions"
    ]))
    if (ended.code === 0) return
  }
  return yield* initFailed(ended?.output.split("\n").slice(-3).join(" | ") ?? "")
}, Effect.timeoutOrElse({ duration: initMax, orElse: () => initFailed(`no end within ${initMax}`) }))

const initFailed = (what: string) =>
  new EmbeddedPostgresUnavailable({
    reason: "InitFailed",
    problem: `the data folder could not be made (${what})`,
    remedy: "Free some disk space or set WORDLOOM_HOME to another folder"
  })

const takePlace = (draft: string, home: Home) =>
  Effect.try({
    try: () => {
      try {
        Fs.renameSync(Path.join(draft, "data"), home.data)
      } catch (error) {
        // Another program was first; its data and ours are alike, down to the password.
        if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error
      }
    },
    catch: (cause) => initFailed(causeInBrief(cause))
  })

const removeFolder = (folder: string) =>
  Effect.tryPromise(() => Fs.promises.rm(folder, { recursive: true, force: true })).pipe(Effect.ignore)

/** A draft carries its maker's process id. That id may have a new bearer by now, hence the age. */
export const removeAbandonedDrafts = Effect.fnUntraced(function*(home: Home) {
  const now = yield* Clock.currentTimeMillis
  const abandoned = (name: string) => {
    const since = Fs.statSync(Path.join(home.folder, name), { throwIfNoEntry: false })?.mtimeMs ?? now
    return !isAlive(Number.parseInt(name.slice(draftPrefix.length), 10)) || now - since > draftAgeMaxMillis
  }
  const names = yield* Effect.try(() => Fs.readdirSync(home.folder).filter((name) => name.startsWith(draftPrefix)))
  yield* Effect.forEach(names.filter(abandoned), (name) => removeFolder(Path.join(home.folder, name)))
}, (effect) => Effect.ignore(effect))

/** A copy or a restored backup may be open to others, and root's copy belongs to root: PostgreSQL accepts neither. */
export const giveToServer = (home: Home, user: ServerUser): Effect.Effect<void, EmbeddedPostgresUnavailable> =>
  Effect.try({
    try: () => {
      const { mode, uid } = Fs.statSync(home.data)
      if ((mode & 0o027) !== 0) Fs.chmodSync(home.data, 0o700)
      if (user.account !== undefined && user.account.uid !== uid) giveAll(home.data, user.account)
    },
    catch: (cause) =>
      new EmbeddedPostgresUnavailable({
        reason: "DataUnusable",
        problem: `the data folder ${home.data} cannot be given to the server (${causeInBrief(cause)})`,
        remedy: "Run this as the owner of the folder",
        cause
      })
  })

/** The folder itself last: until it changes hands, an attempt that was cut short is repeated. */
const giveAll = (data: string, { gid, uid }: Account) => {
  for (const name of Fs.readdirSync(data, { recursive: true, encoding: "utf8" })) {
    Fs.lchownSync(Path.join(data, name), uid, gid)
  }
  Fs.chownSync(data, uid, gid)
}
