/** `wordloom …` as people and scripts run it: started, waited for, and asked for its exit code and output. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as PostgresClient from "../../layers/postgres/PostgresClient.ts"
import { freshDatabase, urlOf } from "../support/PostgresForTests.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

type Env = Readonly<Record<string, string>>

export const ended = (program: Program): Effect.Effect<Ended> =>
  Effect.promise(async () => {
    const { process } = program
    await until("the command's end", () => process.exitCode !== null || process.signalCode !== null)
    await program.stop()
    return { code: process.exitCode, signal: process.signalCode, out: program.output(), err: program.errors() }
  })

/** Still running when this is done; killed at the latest when the scope closes. */
export const started = (args: ReadonlyArray<string>, env: Env = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => startProgram("wordloom", env, args)),
    (program) => Effect.promise(() => program.stop("SIGKILL"))
  )

export const wordloom = (args: ReadonlyArray<string>, env: Env = {}) =>
  Effect.scoped(Effect.flatMap(started(args, env), ended))

/** An empty database: its address as a setting, and a way to look into it. */
export const database = Effect.gen(function*() {
  const address = yield* freshDatabase
  const pool = PostgresClient.layer(address, { name: "test-cli", pool: 2 })
  const query = <A extends object>(statement: string) =>
    Effect.scoped(SqlClient.SqlClient.use((sql) => sql.unsafe<A>(statement)).pipe(Effect.provide(pool)))
  return { env: { DATABASE_URL: urlOf(address) }, pool, query }
})

export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "wordloom-cli-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A file of these lines in a folder of its own. */
export const fileOf = (lines: ReadonlyArray<string>, name = "some words.jsonl") =>
  Effect.map(folder, (path) => {
    const file = join(path, name)
    writeFileSync(file, lines.map((line) => `${line}\n`).join(""))
    return file
  })
