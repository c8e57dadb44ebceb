/**
 * Many members, many messages, and everything that can be killed is killed meanwhile: `npm run test:full`.
 *
 * WORDLOOM_TEST_CLIENTS, _SESSIONS, _RATE and _SECONDS make it smaller; it prints what it measured.
 */
import { assert, describe, it } from "@effect/vitest"
import { until } from "../support/Programs.ts"
import { chain, whyNot } from "../support/RealtimeChain.ts"
import { faultsOf, type Frame, member } from "../support/RealtimeClients.ts"

const sizeOf = (name: string, usual: number) => Number(process.env[`WORDLOOM_TEST_${name}`] ?? usual)
const size = {
  clients: sizeOf("CLIENTS", 1_000),
  sessions: sizeOf("SESSIONS", 50),
  rate: sizeOf("RATE", 500),
  seconds: sizeOf("SECONDS", 60)
}

const why = process.env["WORDLOOM_FULL"] === undefined ? "only with WORDLOOM_FULL=1 (npm run test:full)" : whyNot

const quantile = (sorted: ReadonlyArray<number>, share: number) =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms))

const rooms = async (
  database: { readonly query: (text: string, ...values: ReadonlyArray<unknown>) => Promise<unknown> }
) => {
  const names = Array.from({ length: size.sessions }, () => `tag/${crypto.randomUUID()}`)
  for (const [at, name] of names.entries()) {
    const id = name.slice(4)
    await database.query("insert into tags (id, name, color) values ($1::uuid, $2, '#000000')", id, `room ${at}`)
  }
  return names
}

type Chaos = (at: number, restart: Restarts) => Promise<void>
interface Restarts {
  readonly gateway: () => Promise<void>
  readonly task: () => Promise<void>
  readonly nats: () => Promise<void>
}

const run = async (title: string, chaos: Chaos) => {
  const running = await chain()
  try {
    await running.logic()
    let task = await running.task()
    const gateways = await Promise.all([running.gateway(), running.gateway()])
    const names = await rooms(running.database)
    const latencies: Array<number> = []
    const sentAt = new Map<string, number>()
    const note = (frame: Frame) => {
      const at = sentAt.get(frame["client_id"])
      if (at !== undefined) latencies.push(performance.now() - at)
    }
    const urls = () => gateways.map(({ url }) => url)
    // Each session has members on both gateways.
    const sessionOf = (at: number) => names[Math.floor(at / 2) % names.length]!
    const members = Array.from(
      { length: size.clients },
      (_, at) => member(() => at % 2 === 0 ? urls() : urls().toReversed(), sessionOf(at), `user-${at}`, note)
    )
    await until("all to have joined", () => members.every((one) => one.isJoined()), 300_000)

    const restart: Restarts = {
      gateway: async () => {
        const [first] = gateways
        const port = Number(new URL(first.url).port)
        await first.program.stop("SIGKILL")
        gateways[0] = await running.gateway(port)
      },
      task: async () => {
        await task.stop("SIGKILL")
        task = await running.task()
      },
      nats: async () => {
        await running.nats.crash()
        await running.nats.again()
      }
    }
    const total = size.rate * size.seconds
    const answers: Array<Promise<unknown>> = []
    const began = performance.now()
    let troubles: Promise<void> = Promise.resolve()
    let second = -1
    for (let sent = 0; sent < total;) {
      const elapsed = performance.now() - began
      if (Math.floor(elapsed / 1_000) > second) {
        second = Math.floor(elapsed / 1_000)
        const at = second
        troubles = troubles.then(() => chaos(at, restart))
      }
      for (; sent < Math.min(total, elapsed * size.rate / 1_000); sent++) {
        const clientId = `m-${sent}`
        const speaker = members[(sent * 7) % members.length]!
        sentAt.set(clientId, performance.now())
        answers.push(speaker.say(clientId, `message ${sent}`))
      }
      await sleep(5)
    }
    const sentFor = (performance.now() - began) / 1_000
    await troubles
    await Promise.all(answers)
    const heads = await running.database.query("select id::text as id, last_seq from realtime_sessions")
    const lastOf = new Map(heads.map(({ id, last_seq }) => [`tag/${id}`, Number(last_seq)]))
    const behind = () => members.filter(({ seen }, at) => seen.at(-1)?.["seq"] !== lastOf.get(sessionOf(at)))
    await until(`everybody to have everything`, () => behind().length === 0, 300_000)
    const tookFor = (performance.now() - began) / 1_000

    const faults = members.flatMap((one, at) => faultsOf(one, 1, lastOf.get(sessionOf(at))!))
    const sum = [...lastOf.values()].reduce((all, one) => all + one, 0)
    latencies.sort((a, b) => a - b)
    const report = {
      title,
      ...size,
      messages: sum,
      deliveries: latencies.length,
      sent_per_second: Math.round(total / sentFor),
      seconds_until_all_had_all: Math.round(tookFor * 10) / 10,
      p50_ms: quantile(latencies, 0.5),
      p99_ms: quantile(latencies, 0.99),
      reconnects: members.reduce((all, one) => all + one.connections() - 1, 0),
      faults: faults.length
    }
    process.stderr.write(`${JSON.stringify(report)}\n`)
    for (const one of members) one.leave()
    assert.strictEqual(sum, total, "every message has one number")
    assert.deepStrictEqual(faults.slice(0, 5), [])
    assert.strictEqual(latencies.length, total * size.clients / size.sessions)
  } finally {
    await running.stop()
  }
}

describe.skipIf(why !== undefined)(`a full house${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
  it("gets every message once and in order", () => run("undisturbed", () => Promise.resolve()), 900_000)

  it(
    "gets every message once and in order while gateway, task and NATS are killed",
    () =>
      run("gateway, task and NATS killed with -9", async (at, restart) => {
        const tenth = Math.max(1, Math.floor(size.seconds / 10))
        if (at === 2 * tenth) await restart.gateway()
        if (at === 4 * tenth) await restart.task()
        if (at === 6 * tenth) await restart.nats()
        if (at === 8 * tenth) await Promise.all([restart.gateway(), restart.task(), restart.nats()])
      }),
    900_000
  )
})
