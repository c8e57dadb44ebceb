/** Collectors of traces that one would rather not have. */
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"

export interface Collector {
  readonly url: string
  /** How often somebody wanted something of it. */
  readonly asked: () => number
  readonly stop: () => Promise<void>
}

const listening = async (server: Server, asked: () => number): Promise<Collector> => {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    stop: async () => {
      server.closeAllConnections()
      if (server.listening) await new Promise<void>((done) => server.close(() => done()))
    }
  }
}

/** Accepts, reads and never answers. */
export const silentCollector = () => {
  let asked = 0
  return listening(
    createServer((request) => {
      asked++
      request.resume()
    }),
    () => asked
  )
}

/** Answers `status` to everything. */
export const answeringCollector = (status: number) => {
  let asked = 0
  return listening(
    createServer((request, response) => {
      asked++
      request.resume()
      response.writeHead(status, { "content-type": "text/plain" }).end("no")
    }),
    () => asked
  )
}

/** An address at which nobody listens. */
export const absentCollector = async (): Promise<Collector> => {
  const collector = await listening(createServer(), () => 1)
  await collector.stop()
  return collector
}
