/** WebSocket clients as a browser would be: they come back when they are cut off, and say what they have seen. */
import { WebSocket } from "ws"
import { until } from "./Programs.ts"

// What comes from the gateway is JSON; only what the tests look at is read.
export type Frame = Record<string, any>

export interface RawClient {
  readonly socket: WebSocket
  readonly frames: ReadonlyArray<Frame>
  readonly send: (frame: unknown) => void
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  /** The first frame that fits, sooner or later. */
  readonly frame: (what: string, fits: (frame: Frame) => boolean) => Promise<Frame>
}

export const connect = async (url: string, user = "ann"): Promise<RawClient> => {
  const socket = new WebSocket(`${url}/?user=${user}`)
  const frames: Array<Frame> = []
  socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString("utf8")) as Frame))
  const closed = new Promise<{ readonly code: number; readonly reason: string }>((done) => {
    socket.once("close", (code, reason) => done({ code, reason: reason.toString() }))
  })
  await new Promise<void>((opened, failed) => {
    socket.once("open", opened).once("error", failed)
  })
  socket.on("error", () => {})
  return {
    socket,
    frames,
    closed,
    send: (frame) => socket.send(typeof frame === "string" ? frame : JSON.stringify(frame)),
    frame: (what, fits) =>
      until(`${what} among ${JSON.stringify(frames.slice(-20))}`, () => frames.find((frame) => fits(frame)))
  }
}

export interface Member {
  /** Every message of the session that it was given, in that order, over all its connections. */
  readonly seen: ReadonlyArray<Frame>
  /** Resolves with its number; sent again, over whatever connection there is, until it is answered. */
  readonly say: (clientId: string, text: string) => Promise<number>
  readonly isJoined: () => boolean
  readonly connections: () => number
  readonly leave: () => void
}

/** On a connection that stays, an answer comes; asking again at once would only make a slow answer slower. */
const askAgainMs = 30_000
const afterRefusalMs = 1_000
const comeBackMs = 200

/** A member of one session for as long as it is not told to leave. */
export const member = (
  urls: () => ReadonlyArray<string>,
  session: string,
  user: string,
  onMessage: (frame: Frame) => void = () => {}
): Member => {
  const seen: Array<Frame> = []
  const waiting = new Map<string, { readonly text: string; readonly done: (seq: number) => void; sentAt: number }>()
  let socket: WebSocket | undefined
  let joined = false
  let left = false
  let connections = 0
  let attempts = 0
  let after: number | undefined

  const transmit = (clientId: string) => {
    const one = waiting.get(clientId)
    if (one === undefined || !joined) return
    one.sentAt = performance.now()
    socket?.send(JSON.stringify({ type: "send", session, client_id: clientId, text: one.text }))
  }

  const take = (frame: Frame) => {
    if (frame["type"] === "joined") {
      joined = true
      after ??= frame["from_seq"]
      for (const clientId of waiting.keys()) transmit(clientId)
    } else if (frame["type"] === "message") {
      seen.push(frame)
      after = frame["seq"]
      onMessage(frame)
    } else if (frame["type"] === "sent") {
      waiting.get(frame["client_id"])?.done(frame["seq"])
      waiting.delete(frame["client_id"])
    } else if (frame["type"] === "error" && frame["client_id"] !== undefined) {
      setTimeout(() => transmit(frame["client_id"]), afterRefusalMs)
    } else if (frame["type"] === "error" && !joined) {
      socket?.close()
    }
  }

  const open = () => {
    if (left) return
    const all = urls()
    const url = all[attempts++ % all.length]!
    const opened = new WebSocket(`${url}/?user=${user}`, { handshakeTimeout: 10_000 })
    socket = opened
    opened.on("open", () => {
      connections++
      opened.send(JSON.stringify({ type: "join", session, ...(after === undefined ? {} : { after }) }))
    })
    opened.on("message", (data: Buffer) => take(JSON.parse(data.toString("utf8")) as Frame))
    opened.on("error", () => {})
    opened.on("close", () => {
      joined = false
      setTimeout(open, comeBackMs)
    })
  }

  const asking = setInterval(() => {
    const now = performance.now()
    for (const [clientId, { sentAt }] of waiting) if (now - sentAt > askAgainMs) transmit(clientId)
  }, 1_000)

  open()
  return {
    seen,
    say: (clientId, text) =>
      new Promise((done) => {
        waiting.set(clientId, { text, done, sentAt: 0 })
        transmit(clientId)
      }),
    isJoined: () => joined,
    connections: () => connections,
    leave: () => {
      left = true
      clearInterval(asking)
      socket?.close()
    }
  }
}

/** What is wrong with what a member was given: doubles, gaps, disorder. */
export const faultsOf = ({ seen }: Member, from: number, to: number): ReadonlyArray<string> => {
  const seqs = seen.map((frame) => Number(frame["seq"]))
  const faults = seqs.flatMap((seq, at) => {
    const expected = at === 0 ? from : seqs[at - 1]! + 1
    return seq === expected ? [] : [`number ${seq} where ${expected} was next`]
  })
  return seqs.at(-1) === to || (seqs.length === 0 && to < from)
    ? faults
    : [...faults, `ended at ${seqs.at(-1)}, not ${to}`]
}
