/** graphile-worker as its own performance page sets it up. node graphile.js setup|fill|drain|idle|produce N */
import { Logger, makeWorkerUtils, run, runMigrations } from "graphile-worker"
import { randomUUID } from "node:crypto"
import pg from "pg"
import { monotonic, produce, ready, report, whenTold } from "../ChildSide.ts"
import { meter } from "../Meter.ts"
import { payload } from "./payload.js"

const [command, count] = process.argv.slice(2)
const connectionString = process.env.BENCH_URL
const logger = new Logger(() => (level, message) => level === "error" && process.stderr.write(`${message}\n`))

const options = (taskList) => ({
  logger,
  connectionString,
  noHandleSignals: true,
  taskList,
  preset: {
    worker: {
      concurrentJobs: 24,
      maxPoolSize: 25,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0
    }
  }
})

const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

const setup = () => runMigrations({ connectionString, logger }).then(() => report({}))

const fill = async () => {
  const utils = await makeWorkerUtils({ connectionString, logger })
  for (let at = 0; at < Number(count); at += 5_000) {
    const chunk = Array.from({ length: Math.min(5_000, Number(count) - at) }, (_, n) => at + n)
    await utils.addJobs(chunk.map((n) => ({ identifier: "noop", payload: payload(n) })))
  }
  await utils.release()
  report({})
}

const drain = async () => {
  const wanted = Number(count)
  const client = new pg.Client({ connectionString })
  await client.connect()
  whenTold(() => process.exit(3))
  let done = 0
  const handled = Promise.withResolvers()
  const measure = meter()
  const runner = await run(options({
    noop: async () => {
      if (++done === wanted) handled.resolve(undefined)
    }
  }))
  await handled.promise
  // The last completions are written behind; the clock runs until the table shows them.
  for (;;) {
    const { rows } = await client.query("select exists(select 1 from graphile_worker._private_jobs) as some")
    if (!rows[0].some) break
    await sleep(3)
  }
  report(measure(done))
  await runner.stop()
}

const work = async () => {
  const started = []
  const runner = await run(options({ noop: async ({ key }) => void started.push([key, monotonic()]) }))
  whenTold(() => {
    report(started)
    void runner.stop().then(() => process.exit(0), () => process.exit(0))
  })
  await sleep(300)
  ready()
}

const send = async () => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const text = "select graphile_worker.add_job('noop', $1::json)"
  const samples = await produce(
    Number(count),
    () => randomUUID(),
    (key) => client.query({ name: "send", text, values: [JSON.stringify({ ...payload(0), key })] })
  )
  report(samples)
}

await { setup, fill, drain, idle: work, produce: send }[command]()
if (command !== "idle") process.exit(0)
