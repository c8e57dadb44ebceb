/** An API of a system that has run for long: a million finished changes, a tenth as many that wait. */
import { startProgram } from "../test/support/Programs.ts"
import { run } from "./Children.ts"
import { type Amounts, rowsOf, tagsOf } from "./LongRun.ts"
import { databaseUrl, within } from "./Sessions.ts"
import type { Bench } from "./Stage.ts"

export interface Backlog {
  readonly base: string
  readonly url: string
  readonly amounts: Amounts
}

const filled = (url: string, amounts: Amounts, { progress }: Bench) =>
  within(url, async (session) => {
    const statements = [...tagsOf(amounts), ...rowsOf(amounts), "checkpoint"]
    for (const [at, statement] of statements.entries()) {
      progress.step(at, statements.length, "fills the database")
      await session.query(statement)
    }
  })

export const withBacklog = async <A>(
  bench: Bench,
  database: string,
  use: (backlog: Backlog) => Promise<A>
): Promise<A> => {
  const { options, server } = bench
  const finished = options.rows ?? (options.quick ? 200_000 : 1_000_000)
  const amounts = { finished, waiting: Math.ceil(finished / 10), dead: Math.ceil(finished / 100) }
  const url = databaseUrl(server.url, database)
  await within(server.url, (session) => session.query(`create database ${database}`))
  const env = { DATABASE_URL: url, WORDLOOM_SEARCH: "postgres", WORDLOOM_LOG_LEVEL: "info" }
  await run({ file: "wordloom/program.js", args: ["migrate"], env, timeoutMs: 60_000 })
  await filled(url, amounts, bench)
  const api = startProgram("api", { ...env, WORDLOOM_HTTP_PORT: "0" })
  try {
    return await use({ base: (await api.printed(/listening on (http:\/\/[^"]+)/))[1]!, url, amounts })
  } finally {
    await api.stop()
  }
}
