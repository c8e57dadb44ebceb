/** One PostgreSQL, the stages that were asked for, their tables, and a file with everything for later. */
import { spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { cpus, release } from "node:os"
import { fileURLToPath } from "node:url"
import { start, stopAll } from "../infra/servers.js"
import { killAll } from "./Children.ts"
import { type Finding, told } from "./Findings.ts"
import { loadNow } from "./Meter.ts"
import { type Options, readOptions, type StageName } from "./Options.ts"
import { gather, missingPeers, type Server } from "./Peers.ts"
import { begin } from "./Progress.ts"
import { within } from "./Sessions.ts"
import type { Stage } from "./Stage.ts"
import { drain } from "./stages/Drain.ts"
import { enqueue } from "./stages/Enqueue.ts"
import { explain } from "./stages/Explain.ts"
import { exporter } from "./stages/Exporter.ts"
import { find } from "./stages/Find.ts"
import { growth } from "./stages/Growth.ts"
import { held } from "./stages/Held.ts"
import { keep } from "./stages/Keep.ts"
import { latency } from "./stages/Latency.ts"
import { page } from "./stages/Page.ts"
import { project } from "./stages/Project.ts"
import { rebuild } from "./stages/Rebuild.ts"
import { recording } from "./stages/Recording.ts"
import { scrape } from "./stages/Scrape.ts"
import { tracing } from "./stages/Tracing.ts"
import { visible } from "./stages/Visible.ts"
import { writes } from "./stages/Writes.ts"

const stages: Readonly<Record<StageName, Stage>> = {
  drain,
  growth,
  held,
  enqueue,
  latency,
  tracing,
  project,
  visible,
  find,
  rebuild,
  exporter,
  writes,
  recording,
  scrape,
  keep,
  explain,
  page
}

const say = (text: string) => process.stdout.write(`${text}\n`)
const complain = (text: string) => process.stderr.write(`${text}\n`)

const installPeers = async () => {
  const folder = new URL("peers/", import.meta.url)
  const missing = missingPeers(folder)
  if (missing.length === 0) return
  complain(`installing the peers: ${missing.join(", ")}`)
  const npm = spawn("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: fileURLToPath(folder),
    stdio: ["ignore", 2, 2],
    timeout: 300_000
  })
  const ended = Promise.withResolvers<number | null>()
  npm.once("error", ended.reject).once("exit", ended.resolve)
  const code = await ended.promise
  if (code !== 0) throw new Error(`npm ci in bench/peers ended with ${code}`)
}

/** Checkpoints by the minute would fall into one run and not into the next; durability stays as it is by default. */
const quietened = (server: Server) =>
  within(server.url, async (session) => {
    await session.query("alter system set max_wal_size = '4GB'")
    await session.query("alter system set checkpoint_timeout = '30min'")
    await session.query("select pg_reload_conf()")
    const { rows } = await session.query(`select current_setting('server_version') as version,
      current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous_commit,
      current_setting('shared_buffers') as shared_buffers`)
    return rows[0]
  })

const machine = () => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  kernel: release(),
  node: process.versions.node,
  load: loadNow()
})

/** After each stage anew, so that a benchmark that is broken off has not been for nothing. */
const saving = (startedAt: Date) => {
  const folder = new URL("results/", import.meta.url)
  const name = `${startedAt.toISOString().replaceAll(/[:.]/g, "-")}.json`
  return (content: object) => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(new URL(name, folder), `${JSON.stringify({ startedAt, ...content }, null, 1)}\n`)
    return `bench/results/${name}`
  }
}

const measured = async (options: Options) => {
  await installPeers()
  const { pid, url } = await start("postgres")
  const server: Server = { pid, url }
  const postgres = await quietened(server)
  const at = machine()
  const durability = `fsync ${postgres.fsync}, synchronous_commit ${postgres.synchronous_commit}`
  say(
    `PostgreSQL ${postgres.version}, ${durability}; Node ${at.node}; ${at.cores} × ${at.cpu}, load ${at.load}`
  )
  const wanted = [...new Set(options.stages.flatMap((name) => stages[name].peers(options)))]
  const peers = await gather(server, wanted)
  const findings: Array<Finding> = []
  const save = saving(new Date())
  for (const name of options.stages) {
    const progress = begin(name)
    try {
      const finding = await stages[name].run({ options, server, progress, peer: (which) => peers.get(which)! })
      progress.end()
      findings.push(finding)
      say(told(finding))
      say(`all runs: ${save({ machine: at, postgres, options, findings })}`)
    } catch (error) {
      progress.end()
      // The other stages are still worth their time.
      complain(`stage ${name} broke: ${error instanceof Error ? error.message : String(error)}`)
      process.exitCode = 1
    }
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    killAll()
    void stopAll().finally(() => process.exit(130))
  })
}

try {
  await measured(readOptions(process.argv.slice(2)))
} catch (error) {
  complain(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
} finally {
  await stopAll()
}
