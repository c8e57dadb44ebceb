/** Who is measured: how each one's table is made and filled, and which process drains it. */
import { readFileSync } from "node:fs"
import { run, start } from "./Children.ts"
import type { Usage } from "./Meter.ts"
import { databaseUrl, within } from "./Sessions.ts"

export interface Server {
  readonly url: string
  readonly pid: number
}

export interface Drained extends Usage {
  readonly progress?: ReadonlyArray<readonly [ms: number, rows: number]>
  readonly dropped?: number
}

export interface DrainOptions {
  /** How many rows; the table may hold more. */
  readonly rows: number
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

export interface Peer {
  readonly name: string
  readonly url: string
  readonly setup: () => Promise<void>
  readonly clear: () => Promise<void>
  readonly fill: (rows: number, sampled?: Sampled) => Promise<void>
  readonly drain: (options: DrainOptions) => Promise<Drained>
  /** The program that waits for work, and the one that sends it. */
  readonly idle: () => ReturnType<typeof start>
  readonly produce: (count: number) => ReturnType<typeof start>
}

/** Of a hundred rows, how many belong to a sampled trace; undefined when rows carry no trace. */
export type Sampled = number | undefined

const minute = 60_000

const createDatabase = (server: Server, database: string) =>
  within(server.url, async (session) => {
    await session.query(`create database ${database}`)
  })

const clearing = (url: string, tables: ReadonlyArray<string>) =>
  within(url, async (session) => {
    // Tables come and go with the product's schema. Ids go on counting: what has read up to one looks no further back.
    const { rows } = await session.query("select t from unnest($1::text[]) as t where to_regclass(t) is not null", [
      tables
    ])
    if (rows.length > 0) await session.query(`truncate ${rows.map(({ t }) => t).join(", ")}`)
  })

/** A table as the autovacuum would have left it, and no checkpoint due: neither is to fall into the measured time. */
const settled = (url: string, tables: ReadonlyArray<string>) =>
  within(url, async (session) => {
    for (const table of tables) await session.query(`vacuum analyze ${table}`)
    await session.query("checkpoint")
  })

interface Spec {
  readonly name: string
  readonly database: string
  readonly file: string
  readonly args: (command: string, count: number) => ReadonlyArray<string>
  readonly env?: (url: string) => Readonly<Record<string, string>>
  readonly setup: (url: string) => Promise<unknown>
  readonly tables: ReadonlyArray<string>
  readonly hot: ReadonlyArray<string>
  readonly fill: (url: string, rows: number, sampled: Sampled) => Promise<unknown>
}

const peer = (server: Server, spec: Spec): Peer => {
  const url = databaseUrl(server.url, spec.database)
  const env = { BENCH_URL: url, BENCH_POSTMASTER: String(server.pid), ...spec.env?.(url) }
  const program = (file: string, command: string, count: number, timeoutMs: number) => ({
    file,
    args: spec.args(command, count),
    env,
    timeoutMs
  })
  const clear = () => clearing(url, spec.tables)
  return {
    name: spec.name,
    url,
    clear,
    setup: async () => {
      await createDatabase(server, spec.database)
      await spec.setup(url)
    },
    fill: async (rows, sampled) => {
      await clear()
      await spec.fill(url, rows, sampled)
      await settled(url, spec.hot)
    },
    drain: ({ env: more = {}, rows, timeoutMs = 2 * minute }) => {
      const drain = program(spec.file, "drain", rows, timeoutMs)
      return run({ ...drain, env: { ...drain.env, ...more } })
    },
    idle: () => start(program(spec.file, "idle", 0, 3 * minute)),
    produce: (count) => start(program(spec.file, "produce", count, 2 * minute))
  }
}

/** What lies beside the peers, who bring their own packages, is no part of this program for the compiler. */
const fromPeers = (file: string): Promise<any> => import(new URL(`peers/${file}`, import.meta.url).href)

const bare = async (server: Server, name: string) => {
  const shape = (await fromPeers("shapes.js")).shapes[name]
  const { payload } = await fromPeers("payload.js")
  return peer(server, {
    name,
    database: `bench_${name.replaceAll("-", "_")}`,
    file: "peers/bare.js",
    args: (command, count) => [name, command, String(count)],
    tables: shape.tables.filter((table: string) => !table.endsWith("_owner")),
    hot: [shape.tables[0]],
    setup: (url) =>
      within(url, async (session) => {
        for (const statement of shape.ddl) await session.query(statement)
      }),
    fill: (url, rows) => within(url, (session) => session.query(shape.fill(), [JSON.stringify(payload(1)), rows]))
  })
}

const library = (
  name: string,
  file: string,
  table: string
) =>
(server: Server) => {
  const program = (url: string, command: string, count: number) =>
    run({ file, args: [command, String(count)], env: { BENCH_URL: url }, timeoutMs: 3 * minute })
  return peer(server, {
    name,
    database: `bench_${name.replaceAll("-", "_")}`,
    file,
    args: (command, count) => [command, String(count)],
    tables: [table],
    hot: [table],
    setup: (url) => program(url, "setup", 0),
    fill: (url, rows) => program(url, "fill", rows)
  })
}

const graphile = library("graphile", "peers/graphile.js", "graphile_worker._private_jobs")
const pgboss = library("pg-boss", "peers/pgboss.js", "pgboss.job")

/** As the product's own append writes them: one row per entity, each with the trace of its own enqueue span. */
const changes = `
  insert into outbox_search (entity_type, entity_id, entity_version, op, library_id, request_id, actor, traceparent)
  select 'block', uuidv7(), 1, 'upsert', md5((g % 50)::text)::uuid, gen_random_uuid()::text, 'anonymous',
    case when $2::int is not null then '00-' || replace(gen_random_uuid()::text, '-', '') || '-'
      || left(md5(g::text), 16) || case when g % 100 < $2::int then '-01' else '-00' end end
  from generate_series(1, $1::int) as g`

const outboxTables = ["outbox_search", "outbox_chronicle", "outbox_realtime", "outbox_done", "outbox_dead"]

const wordloom = (server: Server) =>
  peer(server, {
    name: "wordloom",
    database: "bench_wordloom",
    file: "wordloom/program.js",
    args: (command, count) => [command, String(count)],
    env: (url) => ({
      DATABASE_URL: url,
      OUTBOX_PROJECTIONS: "search",
      OUTBOX_BATCH_SIZE: "500",
      WORDLOOM_LOG_FORMAT: "json",
      WORDLOOM_LOG_LEVEL: "warn",
      WORDLOOM_TRACING: "off"
    }),
    tables: [...outboxTables, "outbox_past_attempts", "blocks"],
    hot: ["outbox_search"],
    setup: (url) =>
      run({
        file: "wordloom/program.js",
        args: ["migrate"],
        env: { DATABASE_URL: url, WORDLOOM_LOG_LEVEL: "warn" },
        timeoutMs: minute
      }),
    fill: (url, rows, sampled) => within(url, (session) => session.query(changes, [rows, sampled ?? null]))
  })

const known: Readonly<Record<string, (server: Server) => Peer>> = { graphile, "pg-boss": pgboss, wordloom }

/** Everyone a stage asks for, each with a database of its own that is ready. */
export const gather = async (server: Server, names: ReadonlyArray<string>): Promise<ReadonlyMap<string, Peer>> => {
  const peers = new Map<string, Peer>()
  for (const name of names) {
    const made = await (known[name] ?? ((at: Server) => bare(at, name)))(server)
    await made.setup()
    // What is read and compiled for the first time on this machine is nobody's usual cost.
    await made.fill(500)
    await made.drain({ rows: 500 })
    await made.clear()
    peers.set(name, made)
  }
  return peers
}

const versionsIn = (file: URL) => JSON.parse(readFileSync(file, "utf8"))

/** Installed once, in a folder of their own: the product needs none of them. Answers which are not there. */
export const missingPeers = (folder: URL): ReadonlyArray<string> => {
  const { dependencies } = versionsIn(new URL("package.json", folder))
  return Object.keys(dependencies).filter((name) => {
    try {
      return versionsIn(new URL(`node_modules/${name}/package.json`, folder)).version !== dependencies[name]
    } catch {
      return true
    }
  })
}
