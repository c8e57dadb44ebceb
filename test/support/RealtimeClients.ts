/** A WebSocket client, and all that it was sent. */
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
