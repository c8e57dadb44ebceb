/**
 * Members of sessions in a process of their own, and cheap, so that who sends and receives is not what is measured.
 *
 * Started with a size as JSON; it says when all have joined, speaks when it is told to, and reports what was received.
 */
import { WebSocket } from "ws"

export interface Size {
  readonly urls: ReadonlyArray<string>
  readonly sessions: ReadonlyArray<string>
  readonly clients: number
  readonly rate: number
  readonly seconds: number
}

export interface Report {
  readonly sent_per_second: number
  readonly deliveries: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly seconds_until_all_had_all: number
  readonly reconnects: number
  /** Doubles, gaps and disorder, as each member saw them. */
  readonly faults: ReadonlyArray<string>
}

/** On a connection that stays, an answer comes; asking again at once would only make a slow answer slower. */
const askAgainMs = 30_000
const afterRefusalMs = 1_000
const comeBackMs = 200
/** Frames begin with their type, so that its first letter tells it. */
const typeAt = "{\"type\":\"".length

const size = JSON.parse(process.argv[2] ?? "{}") as Size
const total = size.rate * size.seconds
const sentAt = new Float64Array(total)
const latencies: Array<number> = []
const faults: Array<string> = []
const unanswered = new Set<number>()
let answered = () => {}

const numberAfter = (text: string, mark: string) => {
  const at = text.indexOf(mark)
  return at === -1 ? Number.NaN : Number.parseInt(text.slice(at + mark.length, at + mark.length + 10), 10)
}

/** Each session has members at all gateways. */
const member = (at: number) => {
  const { sessions, urls } = size
  const session = sessions[Math.floor(at / urls.length) % sessions.length]!
  const mine = new Map<number, number>()
  let socket: WebSocket | undefined
  let joined = false
  let connections = 0
  let last: number | undefined

  const transmit = (message: number) => {
    if (!mine.has(message) || !joined) return
    mine.set(message, performance.now())
    socket?.send(`{"type":"send","session":"${session}","client_id":"m-${message}","text":"message ${message}"}`)
  }

  const message = (text: string) => {
    const seq = numberAfter(text, "\"seq\":")
    if (seq !== last! + 1) faults.push(`member ${at}: number ${seq} where ${last! + 1} was next`)
    last = seq
    const sent = sentAt[numberAfter(text, "\"client_id\":\"m-")]
    if (sent !== undefined) latencies.push(performance.now() - sent)
  }

  const take = (text: string) => {
    const frame = JSON.parse(text) as Readonly<Record<string, unknown>>
    const about = Number(String(frame["client_id"]).slice(2))
    if (frame["type"] === "joined") {
      joined = true
      last ??= Number(frame["from_seq"])
      for (const waiting of mine.keys()) transmit(waiting)
    } else if (frame["type"] === "sent") {
      mine.delete(about)
      unanswered.delete(about)
      answered()
    } else if (frame["type"] === "error" && frame["client_id"] !== undefined) {
      setTimeout(transmit, afterRefusalMs, about)
    } else if (frame["type"] === "error" && !joined) {
      socket?.close()
    }
  }

  const open = () => {
    const url = urls[(at + connections) % urls.length]!
    const options = { handshakeTimeout: 10_000, perMessageDeflate: false, skipUTF8Validation: true }
    const opened = new WebSocket(`${url}/?user=user-${at}`, options)
    socket = opened
    opened.on("open", () => {
      opened.send(JSON.stringify({ type: "join", session, ...(last === undefined ? {} : { after: last }) }))
    })
    opened.on("message", (data: Buffer) => {
      const text = data.toString("latin1")
      if (text[typeAt] === "m") message(text)
      else take(text)
    })
    opened.on("error", () => {})
    opened.on("close", () => {
      connections++
      joined = false
      setTimeout(open, comeBackMs)
    })
  }

  setInterval(() => {
    const now = performance.now()
    for (const [waiting, since] of mine) if (now - since > askAgainMs) transmit(waiting)
  }, 1_000)
  open()
  return {
    session,
    say: (message: number) => {
      mine.set(message, 0)
      transmit(message)
    },
    isJoined: () => joined,
    last: () => last,
    reconnects: () => connections
  }
}

const members = Array.from({ length: size.clients }, (_, at) => member(at))
const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms))
const all = async (isSo: () => boolean) => {
  while (!isSo()) await sleep(10)
}

const speak = async () => {
  const began = performance.now()
  for (let sent = 0; sent < total;) {
    for (const due = (performance.now() - began) * size.rate / 1_000; sent < Math.min(total, due); sent++) {
      sentAt[sent] = performance.now()
      unanswered.add(sent)
      members[(sent * 7) % members.length]!.say(sent)
    }
    await sleep(2)
  }
  const sentFor = (performance.now() - began) / 1_000
  await new Promise<void>((done) => {
    answered = () => void (unanswered.size === 0 && done())
    answered()
  })
  process.send!({ said: true })
  return { began, sentFor }
}

const quantile = (sorted: ReadonlyArray<number>, share: number) =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)

const finish = async (spoken: Awaited<ReturnType<typeof speak>>, lastOf: Readonly<Record<string, number>>) => {
  await all(() => members.every(({ last, session }) => last()! >= lastOf[session]!))
  const seconds = (performance.now() - spoken.began) / 1_000
  const sorted = latencies.toSorted((a, b) => a - b)
  const report: Report = {
    sent_per_second: Math.round(total / spoken.sentFor),
    deliveries: latencies.length,
    p50_ms: quantile(sorted, 0.5),
    p99_ms: quantile(sorted, 0.99),
    seconds_until_all_had_all: Math.round(seconds * 10) / 10,
    reconnects: members.reduce((sum, one) => sum + one.reconnects(), 0),
    faults: faults.slice(0, 10)
  }
  process.send!({ report })
}

await all(() => members.every((one) => one.isJoined()))
const going = Promise.withResolvers<void>()
const heads = Promise.withResolvers<Readonly<Record<string, number>>>()
process.on("message", (said: { readonly go?: true; readonly lastOf?: Readonly<Record<string, number>> }) => {
  if (said.go === true) going.resolve()
  if (said.lastOf !== undefined) heads.resolve(said.lastOf)
})
// Who started it is gone.
process.once("disconnect", () => process.exit(1))
process.send!({ joined: true })
await going.promise
await finish(await speak(), await heads.promise)
