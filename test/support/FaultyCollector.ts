/** A collector with one of the faults that collectors have, and what it saw meanwhile. */
import { once } from "node:events"
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http"
import { createServer as createSecureServer } from "node:https"
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net"

export const faults = [
  "none",
  "down",
  "hanging",
  "slow",
  "throttled",
  "error",
  "garbage",
  "drip",
  "certificate",
  "dns",
  "too_large",
  "partial"
] as const
export type Fault = typeof faults[number]

export interface FaultyCollector {
  readonly url: string
  /** Spans that were answered with success. */
  readonly accepted: () => number
  readonly requests: () => number
  /** The most requests that were under way at once, and the most connections. */
  readonly atOnce: () => { readonly requests: number; readonly sockets: number }
  /** From now on it is as good as any. */
  readonly mend: () => void
  readonly stop: () => Promise<void>
}

/** Of nobody, and trusted by nobody. */
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEssmXOS/k7IikhUA
yPpc/RO+AbOJh7M9vox5VFQe+1uhRANCAATq40bR4VkeZO94p0e1TCfZ9iL1/T1z
/XYf0TtcaYYQdnrKLYZv6q2hsi4LIXtozNfGuLHKac0u3WIVvn8IhjJl
-----END PRIVATE KEY-----`
const cert = `-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIUbY+XqJj+nlVi8iGbahlYCTGQLXcwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRY29sbGVjdG9yLmludmFsaWQwIBcNMjYxMTI4MTkyMTQ1WhgP
MjEyNjExMDQxOTIxNDVaMBwxGjAYBgNVBAMMEWNvbGxlY3Rvci5pbnZhbGlkMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6uNG0eFZHmTveKdHtUwn2fYi9f09c/12
H9E7XGmGEHZ6yi2Gb+qtobIuCyF7aMzXxrixymnNLt1iFb5/CIYyZaNTMFEwHQYD
VR0OBBYEFPrV94WQ2XYpzmmFkM69p4B3jRWuMB8GA1UdIwQYMBaAFPrV94WQ2XYp
zmmFkM69p4B3jRWuMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg
KF7kCkkQoGPL51mjDyM5HWnj9iXFy2xZgVtzsk9Q76cCIQD6Jcc8tGV+uvx7pVK7
YcF7KAaeRJuldeDA6OE6PJEBpg==
-----END CERTIFICATE-----`

/** Once in every span of the OTLP JSON. */
const mark = Buffer.from("\"startTimeUnixNano\"")

const spansIn = (body: Buffer) => {
  let spans = 0
  for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + mark.length)) spans++
  return spans
}

interface Seen {
  fault: Fault
  accepted: number
  requests: number
  readonly open: { requests: number; sockets: number }
  readonly most: { requests: number; sockets: number }
}

/** Takes `batchMax` spans at a time, when it finds batches too large. */
const batchMax = 8
const slowMs = 200
const dripMs = 20

const drip = (response: ServerResponse) => {
  response.writeHead(200, { "content-type": "application/json" })
  const timer = setInterval(() => response.write(" "), dripMs)
  response.once("close", () => clearInterval(timer))
}

const answer = (seen: Seen, response: ServerResponse, spans: number, retryAfter: string): void => {
  const accept = () => {
    seen.accepted += spans
    response.setHeader("content-type", "application/json").end("{}")
  }
  if (seen.fault === "hanging") return
  if (seen.fault === "slow") return void setTimeout(accept, slowMs)
  if (seen.fault === "throttled") return void response.writeHead(429, { "retry-after": retryAfter }).end("no")
  if (seen.fault === "error") return void response.writeHead(500).end("no")
  if (seen.fault === "drip") return drip(response)
  if (seen.fault === "too_large" && spans > batchMax) return void response.writeHead(413).end("no")
  if (seen.fault === "partial") return void response.end(JSON.stringify({ partialSuccess: { rejectedSpans: "2" } }))
  accept()
}

const listener = (seen: Seen, retryAfter: string): RequestListener => (request, response) => {
  const chunks: Array<Buffer> = []
  seen.requests++
  seen.most.requests = Math.max(seen.most.requests, ++seen.open.requests)
  response.once("close", () => seen.open.requests--)
  request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
    answer(seen, response, spansIn(Buffer.concat(chunks)), retryAfter)
  })
}

/** Answers every line it gets with no HTTP at all. */
const garbage = (seen: Seen) =>
  createTcpServer((socket) => {
    socket.on("data", () => {
      seen.requests++
      socket.end("SSH-2.0-OpenSSH_9.2\r\n")
    })
    socket.on("error", () => {})
  })

const serverOf = (seen: Seen, retryAfter: string): Server =>
  seen.fault === "garbage"
    ? garbage(seen) as Server
    : seen.fault === "certificate"
    ? createSecureServer({ key, cert }, listener(seen, retryAfter))
    : createServer(listener(seen, retryAfter))

/** `retryAfter` is what it says when it throttles. */
export const faultyCollector = async (fault: Fault, retryAfter = "1"): Promise<FaultyCollector> => {
  const seen: Seen = {
    fault,
    accepted: 0,
    requests: 0,
    open: { requests: 0, sockets: 0 },
    most: { requests: 0, sockets: 0 }
  }
  const server = serverOf(seen, retryAfter)
  const sockets = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    seen.most.sockets = Math.max(seen.most.sockets, ++seen.open.sockets)
    socket.once("close", () => {
      sockets.delete(socket)
      seen.open.sockets--
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const stop = async () => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise<void>((done) => server.close(() => done()))
  }
  if (fault === "down") await stop()
  const host = fault === "dns" ? "collector.invalid" : "127.0.0.1"
  return {
    url: `${fault === "certificate" ? "https" : "http"}://${host}:${port}/v1/traces`,
    accepted: () => seen.accepted,
    requests: () => seen.requests,
    atOnce: () => seen.most,
    mend: () => void (seen.fault = "none"),
    stop
  }
}
