/** All of WordNet as blocks in a database of its own, and an Elasticsearch beside it. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { start } from "../infra/servers.js"
import { run } from "./Children.ts"
import type { Server } from "./Peers.ts"
import type { Progress } from "./Progress.ts"
import { databaseUrl, within } from "./Sessions.ts"

export const engines = ["elasticsearch", "postgres"] as const
export type Engine = typeof engines[number]

export interface Library {
  readonly documents: number
  /** A new and empty index, made and ready. */
  readonly empty: (engine: Engine) => Promise<void>
  /** One row in the search outbox, and nothing else, for each of so many blocks. */
  readonly fill: (rows: number) => Promise<void>
  /** Runs one of the programs in `wordloom/` and answers its report. */
  readonly run: (engine: Engine, args: ReadonlyArray<string>, env?: Readonly<Record<string, string>>) => Promise<any>
  /** Runs one of the product's commands with `--json` and answers what it printed. */
  readonly command: (engine: Engine, name: string) => Promise<any>
}

const database = "bench_search"
const importMs = 300_000
const runMs = 300_000

const root = fileURLToPath(new URL("../", import.meta.url))

/** One of the product's own commands. */
const command = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  new Promise<string>((resolve, reject) => {
    const { HOME = "/", PATH = "" } = process.env
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { PATH, HOME, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: importMs
    })
    let said = ""
    let printed = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (printed += chunk))
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (said = `${said}${chunk}`.slice(-2_000)))
    child.once("error", reject)
    child.once(
      "close",
      (code) => code === 0 ? resolve(printed) : reject(new Error(`${args.join(" ")}: ${code}\n${said}`))
    )
  })

const settled = `truncate outbox_search, outbox_chronicle, outbox_done, outbox_dead, outbox_past_attempts`
/** As the catalog leaves them. */
const rowsOf = `
  insert into outbox_search (entity_type, entity_id, entity_version, op, library_id, request_id, actor)
  select 'block', id, version, 'upsert', library_id, gen_random_uuid()::text, 'anonymous'
  from (select * from blocks order by id limit $1::int) as each`

const made = async (server: Server, progress: Progress) => {
  const url = databaseUrl(server.url, database)
  const known = await within(
    server.url,
    (session) => session.query("select from pg_database where datname = $1", [database])
  )
  if (known.rows.length === 0) {
    progress.step(0, 1, "imports WordNet")
    await within(server.url, (session) => session.query(`create database ${database}`))
    await command(["infra/wordnet.js"], {})
    await command(["programs/wordloom.js", "import", "data/wordnet.jsonl"], { DATABASE_URL: url })
  }
  return url
}

export const withLibrary = async <A>(server: Server, progress: Progress, use: (library: Library) => Promise<A>) => {
  const url = await made(server, progress)
  const elasticsearch = await start("elasticsearch")
  const generations = { elasticsearch: 0, postgres: 0 }
  const env = (engine: Engine) => ({
    DATABASE_URL: url,
    BENCH_POSTMASTER: String(server.pid),
    OUTBOX_PROJECTIONS: "search",
    WORDLOOM_LOG_FORMAT: "json",
    WORDLOOM_LOG_LEVEL: "warn",
    WORDLOOM_TRACING: "off",
    WORDLOOM_SEARCH: engine,
    ...(engine === "elasticsearch"
      ? { ELASTIC_URL: elasticsearch.url, ELASTIC_INDEX: `bench-${generations.elasticsearch}` }
      : {})
  })
  const runIt: Library["run"] = (engine, args, more = {}) =>
    run({ file: "wordloom/program.js", args, env: { ...env(engine), ...more }, timeoutMs: runMs })
  try {
    return await use({
      documents: await within(
        url,
        async (session) => Number((await session.query("select count(*) from blocks")).rows[0].count)
      ),
      empty: async (engine) => {
        generations[engine] += 1
        await within(url, async (session) => {
          await session.query(`${settled}${engine === "postgres" ? ", search_documents" : ""}`)
          await session.query("vacuum analyze blocks")
          await session.query("checkpoint")
        })
        await runIt(engine, ["write", "0"])
      },
      fill: (rows) =>
        within(url, async (session) => {
          await session.query(rowsOf, [rows])
          await session.query("vacuum analyze outbox_search")
          await session.query("checkpoint")
        }),
      run: runIt,
      command: async (engine, name) => JSON.parse(await command(["programs/wordloom.js", name, "--json"], env(engine)))
    })
  } finally {
    await elasticsearch.stop()
  }
}
