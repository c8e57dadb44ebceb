/** A way to Elasticsearch that has too much to do now and then, loses answers, or is cut. */
import { once } from "node:events"
import { createServer, request, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Weather {
  /** Of a hundred bulk requests, how many are refused with 429, and of how many the answer is lost once it is there. */
  readonly throttled: number
  readonly lost: number
}

const calm: Weather = { throttled: 0, lost: 0 }

const refuse = (response: ServerResponse) => {
  response.writeHead(429, {
    "content-type": "application/json",
    "retry-after": "1",
    "x-elastic-product": "Elasticsearch"
  })
  response.end(
    JSON.stringify({ error: { type: "es_rejected_execution_exception", reason: "queue full" }, status: 429 })
  )
}

/** `chance` answers a number below 100. */
export const engineProxy = async (url: string, chance: () => number) => {
  const target = new URL(url)
  let weather = calm
  /** How often each was done to somebody: a fault that never happened proves nothing. */
  const done = { throttled: 0, lost: 0 }

  const server = createServer((asked, response) => {
    const isBulk = asked.url?.includes("/_bulk") === true
    const throttled = isBulk && chance() < weather.throttled
    const lost = isBulk && !throttled && chance() < weather.lost
    if (throttled) {
      done.throttled += 1
      asked.resume().on("end", () => refuse(response))
      return
    }
    const beyond = request({
      host: target.hostname,
      port: target.port,
      method: asked.method,
      path: asked.url,
      headers: asked.headers
    }, (answer) => {
      if (lost) {
        done.lost += 1
        answer.resume().on("end", () => response.destroy())
        return
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.on("error", () => response.destroy()).pipe(response)
    })
    beyond.on("error", () => response.destroy())
    asked.on("error", () => beyond.destroy()).pipe(beyond)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    done,
    becomes: (next: Partial<Weather>) => {
      weather = { ...calm, ...next }
    },
    stop: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, "close")
    }
  }
}
