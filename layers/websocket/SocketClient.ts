/** One WebSocket as a client of the gateway: bounded in what it may send, and in what waits to be read by it. */
import { Deferred, Effect, Queue } from "effect"
import type { Duplex } from "node:stream"
import type { WebSocket } from "ws"
import type { Client } from "../../src/realtime/Connection.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { textFrame } from "./TextFrame.ts"

/** Bytes that wait for a client to read them; one that lets more pile up is too slow. */
const bufferMax = 1_048_576
const bufferLow = 65_536
/** How long a client may take to read what it asked for. */
const readWithin = "10 seconds"
/** Frames that wait to be handled: beyond, nothing more is read from the socket. */
const inboxHigh = 32
const inboxLow = 8

/** RFC 6455 and its registry. */
export const closing = {
  away: 1001,
  unsupported: 1003,
  policy: 1008,
  tryAgainLater: 1013
} as const

export type Reason = "slow" | "silent" | "rate" | "invalid" | "draining"

export interface SocketClient extends Client {
  readonly socket: WebSocket
  readonly inbox: Queue.Dequeue<string>
  /** What was taken from the inbox is done: more may be read. */
  readonly handled: () => void
  readonly isIdle: () => boolean
  /** Whether it has answered since it was last asked. */
  isAlive: boolean
  readonly end: (code: number, reason: Reason) => void
  readonly gone: Effect.Effect<void>
}

/** Those that were written to in this turn of the loop: what each gets goes out in one piece. */
const written = new Set<Duplex>()
const flush = () => {
  for (const wire of written) wire.uncork()
  written.clear()
}

/** Frames of the gateway's own are written to the wire beside the library, which writes its own at once, too. */
const write = (wire: Duplex, frame: Buffer) => {
  if (written.size === 0) setImmediate(flush)
  if (!written.has(wire)) {
    written.add(wire)
    wire.cork()
  }
  wire.write(frame)
}

/** `wire` is what `socket` speaks on. */
export const make = Effect.fnUntraced(function*(socket: WebSocket, wire: Duplex, id: string, user: string) {
  const inbox = yield* Queue.unbounded<string>()
  const gone = yield* Deferred.make<void>()
  let waiters: Array<() => void> = []
  let unhandled = 0
  let ended = false

  const wake = () => {
    const woken = waiters
    waiters = []
    for (const resume of woken) resume()
  }

  const end = (code: number, reason: Reason) => {
    if (ended) return
    ended = true
    Metrics.realtimeClosed.addUnsafe({ reason })
    if (reason === "silent") socket.terminate()
    else socket.close(code, reason)
    wake()
  }

  const isGone = () => ended || socket.readyState !== socket.OPEN
  const isLow = () => isGone() || socket.bufferedAmount < bufferLow

  const drained = Effect.callback<void>((resume) => {
    if (isLow()) return resume(Effect.void)
    waiters.push(() => resume(Effect.void))
  }).pipe(
    Effect.timeoutOrElse({ duration: readWithin, orElse: () => Effect.sync(() => end(closing.tryAgainLater, "slow")) })
  )

  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (isBinary) return end(closing.unsupported, "invalid")
    if (ended) return
    Queue.offerUnsafe(inbox, data.toString("utf8"))
    if (++unhandled >= inboxHigh) socket.pause()
  })
  wire.on("drain", wake)
  // A frame that is too large or malformed: the library has answered with its close code already.
  socket.on("error", () => {})
  socket.on("close", () => {
    ended = true
    wake()
    Deferred.doneUnsafe(gone, Effect.void)
  })

  const client: SocketClient = {
    id,
    user,
    socket,
    inbox,
    isAlive: true,
    isGone,
    isIdle: () => unhandled === 0,
    handled: () => {
      unhandled--
      if (unhandled === inboxLow && socket.isPaused) socket.resume()
    },
    drained,
    deliver: (frame) => {
      if (isGone()) return
      if (socket.bufferedAmount > bufferMax) return end(closing.tryAgainLater, "slow")
      write(wire, textFrame(frame))
    },
    end,
    gone: Deferred.await(gone)
  }
  socket.on("pong", () => {
    client.isAlive = true
  })
  return client
})
