/** pg-boss at the best of its measured settings. node pgboss.js setup|fill|drain N */
import pg from "pg"
import { PgBoss } from "pg-boss"
import { report, whenTold } from "../ChildSide.ts"
import { meter } from "../Meter.ts"
import { payload } from "./payload.js"

const [command, count] = process.argv.slice(2)
const connectionString = process.env.BENCH_URL
const queue = "q"

const started = async () => {
  const boss = new PgBoss({ connectionString, max: 10, supervise: false, schedule: false })
  boss.on("error", (error) => process.stderr.write(`${error}\n`))
  await boss.start()
  return boss
}

const setup = async () => {
  const boss = await started()
  await boss.createQueue(queue, { notify: true })
  report({})
}

const fill = async () => {
  const boss = await started()
  for (let at = 0; at < Number(count); at += 1_000) {
    const chunk = Array.from({ length: Math.min(1_000, Number(count) - at) }, (_, n) => ({ data: payload(at + n) }))
    await boss.insert(queue, chunk)
  }
  report({})
}

const drain = async () => {
  const wanted = Number(count)
  const client = new pg.Client({ connectionString })
  await client.connect()
  whenTold(() => process.exit(3))
  const boss = await started()
  let done = 0
  const handled = Promise.withResolvers()
  const measure = meter()
  const settings = { batchSize: 2_000, localConcurrency: 2, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
  await boss.work(queue, settings, async (jobs) => {
    done += jobs.length
    if (done >= wanted) handled.resolve(undefined)
  })
  await handled.promise
  for (;;) {
    const { rows } = await client.query("select exists(select 1 from pgboss.job where state < 'completed') as some")
    if (!rows[0].some) break
    await new Promise((next) => setTimeout(next, 3))
  }
  report(measure(done))
}

await { setup, fill, drain }[command]()
process.exit(0)
