/** Bytes that are no request: Node refuses them before anything of ours runs, and they get a problem like the rest. */
import { randomUUID } from "node:crypto"
import { type Server, type ServerResponse, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"

const known: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, "the headers are larger than 16 KiB"],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, "the chunk extensions are too large"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "the request did not arrive in time"]
}

const answerTo = (code: string | undefined): string => {
  const [status, detail] = known[code ?? ""] ?? [400, "the request could not be read"]
  const title = STATUS_CODES[status]!
  const requestId = randomUUID()
  const body = JSON.stringify({ type: "about:blank", status, title, detail, request_id: requestId })
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    "connection: close"
  ]
  return `${head.join("\r\n")}\r\n\r\n${body}`
}

/** An answer that has begun on the same connection must not be cut in two: then the connection only closes. */
export const answerUnreadable = (server: Server): void => {
  const open = new WeakMap<Duplex, ServerResponse>()
  server.on("request", (request, response) => {
    open.set(request.socket, response)
  })
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const response = open.get(socket)
    const begun = response !== undefined && response.headersSent && !response.writableFinished
    if (socket.writable && error.code !== "ECONNRESET" && !begun) {
      socket.end(answerTo(error.code), () => socket.destroy())
    } else socket.destroy()
  })
}
