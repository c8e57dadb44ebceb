/** Requests as plain as they come: any header byte, any body, and nothing added that the test did not say. */
import { Agent, type ClientRequest, type IncomingHttpHeaders, request } from "node:http"
import type { Socket } from "node:net"

export interface Said {
  readonly headers?: Readonly<Record<string, string | ReadonlyArray<string>>>
  /** Sent as JSON, with its content type. */
  readonly json?: unknown
  /** Sent as it is; the content type is JSON's unless `headers` say otherwise. */
  readonly body?: string | Uint8Array
  /** Without a content length. */
  readonly chunked?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The JSON of the answer; `undefined` when it is none. */
  readonly body: any
}

const agent = new Agent({ keepAlive: true, maxSockets: 32 })

/** When each connection was given back; a server ends one that was idle for five seconds. */
const idleSince = new WeakMap<Socket, number>()
const mayHaveEndedMs = 4_000
agent.on("free", (socket: Socket) => idleSince.set(socket, Date.now()))

/** The end of an idle connection and a request on it met half-way: nobody has read that one. */
const cameTooLate = (asked: ClientRequest, error: NodeJS.ErrnoException): boolean => {
  const since = asked.socket === null ? undefined : idleSince.get(asked.socket)
  return asked.reusedSocket && error.code === "ECONNRESET" && Date.now() - (since ?? Infinity) > mayHaveEndedMs
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const bodyOf = ({ body, json }: Said) =>
  json !== undefined ? Buffer.from(JSON.stringify(json)) : body === undefined ? undefined : Buffer.from(body as string)

const headersOf = ({ chunked, headers }: Said, body: Buffer | undefined) => ({
  ...(body === undefined ? {} : { "content-type": "application/json" }),
  // Node frames the body by itself only for the methods that usually have one.
  ...(body === undefined
    ? {}
    : chunked === true
    ? { "transfer-encoding": "chunked" }
    : { "content-length": String(body.length) }),
  ...headers as Record<string, string>
})

const pieceOf = 16_384

export const call = (method: string, url: string, said: Said = {}): Promise<Answer> =>
  new Promise<Answer>((answered, failed) => {
    const body = bodyOf(said)
    const asked = request(url, { method, agent, headers: headersOf(said, body) }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", failed)
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8")
        answered({ status: response.statusCode!, headers: response.headers, text, body: parsed(text) })
      })
    })
    asked.on(
      "error",
      (error) => cameTooLate(asked, error) ? call(method, url, said).then(answered, failed) : failed(error)
    )
    const bytes = body ?? Buffer.alloc(0)
    for (let at = 0; at < bytes.length; at += pieceOf) asked.write(bytes.subarray(at, at + pieceOf))
    asked.end()
  })

/** `call` below one address. */
export const callerOf = (base: string) => (method: string, path: string, said: Said = {}) =>
  call(method, base + path, said)
export type Caller = ReturnType<typeof callerOf>
