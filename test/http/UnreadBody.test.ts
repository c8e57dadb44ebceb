/** An answer before the body was read: it says truly whether the connection goes on. */
import { assert, describe, it } from "@effect/vitest"
import { connect, type Socket } from "node:net"
import { until } from "../support/Programs.ts"
import { apiForAll } from "../support/RunningApi.ts"

const head = (path: string, framing: string) =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`
const piece = "a".repeat(16_384)

/** Sends all of it, as fast as the far side takes it; `false` where that has gone away. */
const sent = (socket: Socket, text: string) =>
  new Promise<boolean>((done) => {
    socket.once("close", () => done(false))
    socket.write(text, (error) => done(error === undefined || error === null))
  })

describe("a body that nobody reads", () => {
  const running = apiForAll()

  const opened = () => {
    const { hostname, port } = new URL(running.base)
    const socket = connect(Number(port), hostname)
    const seen = { text: "", ended: false, closed: false, error: undefined as string | undefined }
    socket.setEncoding("latin1").on("data", (chunk: string) => (seen.text += chunk))
    socket.on("end", () => (seen.ended = true)).on("close", () => (seen.closed = true))
    socket.on("error", (error: NodeJS.ErrnoException) => (seen.error = error.code))
    return { seen, socket }
  }
  const answers = (text: string) => text.split("HTTP/1.1 ").slice(1)

  const frames: Readonly<Record<string, (path: string, pieces: number) => string>> = {
    "in chunks": (path, pieces) =>
      `${head(path, "transfer-encoding: chunked")}${`4000\r\n${piece}\r\n`.repeat(pieces)}0\r\n\r\n`,
    "of a length": (path, pieces) => `${head(path, `content-length: ${pieces * piece.length}`)}${piece.repeat(pieces)}`
  }

  for (const [how, request] of Object.entries(frames)) {
    for (const [path, status] of [["/nope", 404], ["/health", 405], ["/api/v1/tags", 413]] as const) {
      for (const pieces of [1, 64]) {
        if (status === 413 && pieces === 1) continue
        it(`${how}, ${pieces * 16} KiB to ${path}: the next request is answered, or was told not to come`, async () => {
          const { seen, socket } = opened()
          await sent(socket, request(path, pieces))
          const [first] = await until("the answer", () => answers(seen.text).length > 0 && answers(seen.text))
          assert.strictEqual(Number(first!.slice(0, 3)), status)
          if (/^connection: close\r$/im.test(first!)) {
            await until("the end", () => seen.ended || seen.closed)
            assert.strictEqual(answers(seen.text).length, 1)
          } else {
            await sent(socket, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            await until("what comes next", () => seen.ended || seen.closed || answers(seen.text).length === 2)
            assert.strictEqual(answers(seen.text).length, 2, `it was told to go on, and cut off: ${seen.error}`)
          }
          socket.destroy()
        })
      }
    }
  }

  it("that never ends is told so at once, and the connection ends without its help", async () => {
    const { seen, socket } = opened()
    await sent(socket, `${head("/nope", "transfer-encoding: chunked")}4000\r\n${piece}\r\n`)
    await until("the end", () => seen.ended)
    assert.match(seen.text, /^HTTP\/1.1 404 /)
    assert.match(seen.text, /^connection: close\r$/im)
    await until("the connection to close", () => seen.closed)
  })

  it("keeps no connection from going on where there is none", async () => {
    const { seen, socket } = opened()
    for (let n = 1; n <= 3; n++) {
      await sent(socket, "GET /nope HTTP/1.1\r\nhost: x\r\n\r\n")
      await until("an answer", () => answers(seen.text).length === n)
    }
    assert.notMatch(seen.text, /connection: close/i)
    socket.destroy()
  })
})
