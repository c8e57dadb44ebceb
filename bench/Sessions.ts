/** The benchmark's own sessions with PostgreSQL, by the driver that the peers bring. */
import { createRequire } from "node:module"

export interface Session {
  readonly query: (text: string, values?: ReadonlyArray<unknown>) => Promise<{ readonly rows: ReadonlyArray<any> }>
  readonly end: () => Promise<void>
}

export const databaseUrl = (server: string, database: string) => {
  const url = new URL(server)
  url.pathname = `/${database}`
  return url.href
}

/** Long enough for millions of rows, but not for ever. */
const statementMs = 600_000

export const open = async (url: string): Promise<Session> => {
  const { Client } = createRequire(new URL("peers/", import.meta.url))("pg")
  const client = new Client({
    connectionString: url,
    application_name: "wordloom-bench",
    connectionTimeoutMillis: 20_000,
    statement_timeout: statementMs
  })
  // A server that is stopped at the end breaks whatever is still open, which is nothing to report.
  client.on("error", () => {})
  await client.connect()
  return client
}

export const within = async <A>(url: string, use: (session: Session) => Promise<A>): Promise<A> => {
  const session = await open(url)
  try {
    return await use(session)
  } finally {
    await session.end()
  }
}
