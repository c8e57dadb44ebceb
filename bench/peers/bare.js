/** The bare loop on `pg`: claim, call a handler for each row, settle. node bare.js SHAPE drain|idle|produce N */
import { randomUUID } from "node:crypto"
import pg from "pg"
import { monotonic, produce, ready, report, whenTold } from "../ChildSide.ts"
import { meter, warmRows } from "../Meter.ts"
import { payload } from "./payload.js"
import { shapes } from "./shapes.js"

const [name = "bare-lease", command, count, size = "500"] = process.argv.slice(2)
const shape = shapes[name]
if (shape === undefined) throw new Error(`no shape ${name}`)
const connectionString = process.env.BENCH_URL
const worker = 1
/** How often everything is looked through again: late commits, retries and ended leases lie below the floor. */
const wholeEveryMs = 1_000

const connect = async () => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  return client
}

/**
 * @param {(row: any) => void} handle
 * @param {() => boolean} isOver
 * @param {() => Promise<void>} idle
 */
const loop = async (handle, isOver, idle) => {
  const client = await connect()
  const claim = { name: "claim", text: shape.claim(Number(size)) }
  const ack = { name: "ack", text: shape.ack }
  let floor = "0"
  let wholeAt = performance.now()
  while (!isOver()) {
    if (!shape.owned && performance.now() - wholeAt > wholeEveryMs) {
      floor = "0"
      wholeAt = performance.now()
    }
    const { rows } = await client.query({ ...claim, values: [worker, floor] })
    if (rows.length === 0) {
      await idle()
      continue
    }
    const ids = []
    const attempts = []
    for (const row of rows) {
      handle(row)
      ids.push(row.id)
      attempts.push(row.attempt)
    }
    if (shape.owned) floor = ids[ids.length - 1]
    else floor = String(ids.reduce((least, id) => BigInt(id) < least ? BigInt(id) : least, BigInt(ids[0])) - 1n)
    await client.query({ ...ack, values: shape.takesAttempts ? [worker, ids, attempts] : [worker, ids] })
  }
}

const sleep = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms))

const drain = async () => {
  let done = 0
  whenTold(() => process.exit(3))
  let measure = meter()
  let warm = 0
  const isOver = () => {
    if (warmRows > 0 && warm === 0 && done >= warmRows) {
      warm = done
      measure = meter()
    }
    return done >= Number(count)
  }
  await loop(() => void done++, isOver, () => sleep(5))
  report(measure(done - warm))
}

/** Waits for NOTIFY, and looks by itself once a second. */
const work = async () => {
  const started = []
  let told = false
  let wake = () => {}
  const listener = await connect()
  listener.on("notification", () => {
    told = true
    wake()
  })
  await listener.query("listen bench_wake")
  const idle = () => {
    if (told) {
      told = false
      return Promise.resolve()
    }
    return new Promise((done) => {
      const timer = setTimeout(done, 1_000)
      wake = () => {
        clearTimeout(timer)
        told = false
        done(undefined)
      }
    })
  }
  whenTold(() => {
    report(started)
    process.exit(0)
  })
  void loop((row) => started.push([row.payload.key, monotonic()]), () => false, idle)
  await sleep(300)
  ready()
}

const send = async () => {
  const client = await connect()
  const text = `with row as (insert into o_lease (payload) values ($1::jsonb)) select pg_notify('bench_wake', '')`
  const samples = await produce(
    Number(count),
    () => randomUUID(),
    (key) => client.query({ name: "send", text, values: [JSON.stringify({ ...payload(0), key })] })
  )
  report(samples)
  await client.end()
}

await { drain, idle: work, produce: send }[command]()
if (command !== "idle") process.exit(0)
