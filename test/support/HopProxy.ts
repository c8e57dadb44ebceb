/** Stands between two of our programs that speak HTTP, and does what a proxy in the wild may do to their trace. */
import { once } from "node:events"
import { createServer, request } from "node:http"
import type { AddressInfo } from "node:net"

/** `through`: everything goes on. */
export type Way = "through" | "slow" | "refuse" | "no trace"

export interface HopProxy {
  readonly port: number
  way: Way
  readonly stop: () => Promise<void>
}

const waitMs: Readonly<Record<Way, number>> = { through: 0, slow: 1_200, refuse: 0, "no trace": 0 }

export const hopProxy = async (target: number): Promise<HopProxy> => {
  const server = createServer((asked, response) => {
    const { way } = proxy
    if (way === "refuse") return void response.writeHead(502).end()
    const headers = Object.entries(asked.headers).filter(([name]) => way !== "no trace" || !name.startsWith("trace"))
    const chunks: Array<Buffer> = []
    asked.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
      const body = Buffer.concat(chunks).toString()
      const options = { host: "127.0.0.1", port: target, method: asked.method, path: asked.url }
      const further = request({ ...options, headers: Object.fromEntries(headers) }, (answered) => {
        response.writeHead(answered.statusCode ?? 502, answered.headers)
        answered.pipe(response)
      })
      further.on("error", () => response.writeHead(502).end())
      // A call says in its body, too, whose trace it belongs to; what is said there instead is as long.
      setTimeout(
        () => further.end(way === "no trace" ? body.replaceAll("\"traceparent\"", "\"-----------\"") : body),
        waitMs[way]
      )
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const proxy: HopProxy = {
    port: (server.address() as AddressInfo).port,
    way: "through",
    stop: async () => {
      server.close()
      server.closeAllConnections()
      if (server.listening) await once(server, "close")
    }
  }
  return proxy
}
