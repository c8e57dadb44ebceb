/** An HTTP server that answers what a test tells it to, as Elasticsearch or what stands before it would. */
import { Effect, Layer } from "effect"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { gunzipSync } from "node:zlib"
import * as ElasticsearchClient from "../../../layers/elasticsearch/ElasticsearchClient.ts"
import * as SearchIndexElasticsearch from "../../../layers/elasticsearch/SearchIndexElasticsearch.ts"
import { indexBody } from "../../../layers/elasticsearch/SearchMapping.ts"

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

export type Reply =
  | { readonly status: number; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> }
  | "never answers"
  | "stops half-way"
  | "closes half-way"

const read = async (request: IncomingMessage): Promise<Seen> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk)
  const raw = Buffer.concat(chunks)
  const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw
  return { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body: body.toString() }
}

const json = {
  "content-type": "application/vnd.elasticsearch+json;compatible-with=9",
  "x-elastic-product": "Elasticsearch"
}

const answer = (reply: Reply, response: ServerResponse) => {
  if (reply === "never answers") return
  if (typeof reply === "string") {
    response.writeHead(200, json).write("{\"took\":1,")
    if (reply === "closes half-way") setTimeout(() => response.destroy(), 20)
    return
  }
  const body = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body)
  response.writeHead(reply.status, { ...json, ...reply.headers }).end(body)
}

/** Before its first write the index is asked whether it is ours: it is, and no test need reply to that. */
const isLook = ({ method, url }: Seen) => method === "GET" && url.startsWith("/words-write,words?")
const ours: Reply = { status: 200, body: { "words-000001": { mappings: indexBody({}).mappings } } }

/** Answers with `replies` in turn, the last of them for ever; `seen` grows with each request. */
export const make = Effect.fnUntraced(function*(...replies: ReadonlyArray<Reply | ((seen: Seen) => Reply)>) {
  const seen: Array<Seen> = []
  let givenUp = 0
  const waiting: Array<() => void> = []
  const server = createServer((request, response) => {
    response.once("close", () => {
      if (!response.writableFinished) givenUp++
      for (const wake of waiting.splice(0)) wake()
    })
    void read(request).then((one) => {
      if (isLook(one)) return answer(ours, response)
      const reply = replies[Math.min(seen.push(one), replies.length) - 1]!
      answer(typeof reply === "function" ? reply(one) : reply, response)
      for (const wake of waiting.splice(0)) wake()
    })
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
    () =>
      Effect.promise(() =>
        new Promise<void>((done) => {
          server.close(() => done())
          server.closeAllConnections()
        })
      )
  )
  const until = (holds: () => boolean): Effect.Effect<void> =>
    Effect.promise(async () => {
      while (!holds()) await new Promise<void>((wake) => void waiting.push(wake))
    })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    /** By the real clock, whatever clock the test has. */
    hasSeen: (count: number) => until(() => seen.length >= count),
    /** The client has gone away before this many answers were complete. */
    isGivenUp: (count: number) => until(() => givenUp >= count)
  }
})

/** A bulk answer in which item `n` went as `items[n]` says: its status, or its status and the error's type. */
export const bulkAnswer = (...items: ReadonlyArray<number | readonly [number, string, string?]>): Reply => ({
  status: 200,
  body: {
    took: 7,
    errors: items.some((item) => typeof item !== "number" || item >= 300),
    items: items.map((item) => {
      const [status, type, reason] = typeof item === "number" ? [item] : item
      const error = type === undefined ? {} : { error: { type, reason: reason ?? "said so" } }
      return { index: { _index: "words-000001", status, ...error } }
    })
  }
})

export const refusal = (
  status: number,
  type: string,
  headers: Readonly<Record<string, string>> = {},
  reason = "said so"
): Reply => ({ status, headers, body: { error: { root_cause: [], type, reason }, status } })

/** What a proxy says. */
export const page = (status: number): Reply => ({ status, body: "<html>", headers: { "content-type": "text/html" } })

/** The search index that asks the server at `url`. */
export const layerOf = (options: Pick<ElasticsearchClient.Options, "url" | "apiKey">) =>
  SearchIndexElasticsearch.layer.pipe(Layer.provide(ElasticsearchClient.layer({ index: "words", ...options })))
