/** A server that answers as Jaeger did about recorded writes, or badly: what a query API may do to whoever asks it. */
import { Effect } from "effect"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { type Document, documentOf, type Recording } from "../trace/Recorded.ts"

export interface Answer {
  readonly status?: number
  readonly body: string
}

/** `answer` of a path and its query; `undefined` for what is never answered. */
export const serving = (answer: (url: URL) => Answer | undefined) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const asked: Array<URL> = []
      const server = createServer((request, response) => {
        const url = new URL(request.url ?? "/", "http://store")
        asked.push(url)
        const given = answer(url)
        if (given === undefined) return
        response.writeHead(given.status ?? 200, { "content-type": "application/json" }).end(given.body)
      }).listen(0, "127.0.0.1")
      await once(server, "listening")
      return { server, asked, base: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api`) }
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )

const notFound: Answer = {
  status: 404,
  body: JSON.stringify({ data: null, errors: [{ code: 404, msg: "trace not found" }] })
}

/** As Jaeger: whole traces by id, and those of a service with an operation. */
export const asJaeger = (documents: ReadonlyArray<Document>) => {
  const traces = documents.flatMap(({ trace, workers }) => [trace, ...workers]).map(({ data }) => data[0])
  const names = traces.flatMap(({ processes }) => Object.values(processes).map(({ serviceName }) => serviceName))
  return (url: URL): Answer => {
    if (url.pathname.endsWith("/services")) return { body: JSON.stringify({ data: [...new Set(names)] }) }
    const id = /\/traces\/([0-9a-f]+)$/.exec(url.pathname)?.[1]
    const service = url.searchParams.get("service")
    const operation = url.searchParams.get("operation")
    const found = traces.filter(({ processes, spans, traceID }) =>
      id === undefined
        ? spans.some((span) =>
          (operation ?? span.operationName) === span.operationName && processes[span.processID]?.serviceName === service
        )
        : traceID === id
    )
    return id !== undefined && found.length === 0
      ? notFound
      : { body: JSON.stringify({ data: found, total: found.length, errors: null }) }
  }
}

/** `change` is done to each document before it is served. */
export const jaegerOf = (names: ReadonlyArray<Recording>, change = (document: Document) => document) =>
  serving(asJaeger(names.map(documentOf).map(change)))
