/** The folder that holds everything the embedded PostgreSQL keeps between two starts. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { causeInBrief, EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"

export interface Home {
  readonly folder: string
  readonly data: string
  readonly log: string
  readonly passwordFile: string
}

/** Real paths throughout: the same home under two names must be one home. */
export const prepare = (home: string): Effect.Effect<Home, EmbeddedPostgresUnavailable> =>
  Effect.try({
    try: () => {
      makeFolder(Path.resolve(home))
      const folder = Fs.realpathSync(home)
      Fs.accessSync(`${folder}/`, Fs.constants.W_OK | Fs.constants.X_OK)
      return {
        folder,
        data: Path.join(folder, "postgres"),
        log: Path.join(folder, "postgres.log"),
        passwordFile: Path.join(folder, "postgres.password")
      }
    },
    catch: (cause) =>
      new EmbeddedPostgresUnavailable({
        reason: "HomeUnusable",
        problem: `the folder ${home} cannot be used (${causeInBrief(cause)})`,
        remedy: "Set WORDLOOM_HOME to a folder that this user may write",
        cause
      })
  })

/** Node's own `recursive` goes on without end where a folder is refused as if its parent were missing, as in /proc. */
const makeFolder = (folder: string): void => {
  if (Fs.existsSync(folder)) return
  const parent = Path.dirname(folder)
  if (parent !== folder) makeFolder(parent)
  try {
    Fs.mkdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
  }
}

/** The password of data that exists already. Nobody can replace it for them, so its absence is an error. */
export const readPassword = (home: Home): Effect.Effect<Redacted.Redacted, EmbeddedPostgresUnavailable> =>
  Effect.try({
    try: () => Redacted.make(Fs.readFileSync(home.passwordFile, "utf8").trim()),
    catch: (cause) =>
      new EmbeddedPostgresUnavailable({
        reason: "DataUnusable",
        problem: `the password of the data is in ${home.passwordFile}, which cannot be read (${causeInBrief(cause)})`,
        remedy: `Put the file back, or remove ${home.data} to start empty`,
        cause
      })
  })

/**
 * The password for data that is about to be made. Two programs may be here at once, and whoever's data survives, the
 * file must fit it: so the first file wins, and it appears with its content or not at all.
 */
export const ensurePassword = (home: Home): Effect.Effect<void, EmbeddedPostgresUnavailable> =>
  Effect.suspend(() => {
    if (Fs.existsSync(home.passwordFile)) return Effect.void
    const draft = `${home.passwordFile}.${Crypto.randomBytes(6).toString("hex")}`
    try {
      Fs.writeFileSync(draft, `${Crypto.randomBytes(24).toString("base64url")}\n`, { mode: 0o600, flush: true })
      linkOrCopy(draft, home.passwordFile)
    } catch {
      // Either another program was first, or reading the file says what is wrong.
    } finally {
      Fs.rmSync(draft, { force: true })
    }
    return Effect.asVoid(readPassword(home))
  })

const linkOrCopy = (from: string, to: string) => {
  try {
    Fs.linkSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return
    // Some file systems have no hard links.
    Fs.copyFileSync(from, to, Fs.constants.COPYFILE_EXCL)
  }
}
