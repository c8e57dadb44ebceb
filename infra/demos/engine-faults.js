/** A way to Elasticsearch that can be told to refuse, to fail, to hang or to be slow: what bulk requests meet next. */
import { once } from "node:events"
import { createServer, request } from "node:http"
import { gunzipSync } from "node:zlib"

/**
 * `pass` lets it through; `429` and `503` answer for the engine; `hang` never answers; `slow` answers late;
 * `rejects` answers that the engine will never accept any of the documents.
 * @typedef {"pass" | "429" | "503" | "hang" | "slow" | "rejects"} Fault
 */

/** @typedef {Awaited<ReturnType<typeof engineWithFaults>>} EngineWithFaults */

const headers = { "content-type": "application/json", "x-elastic-product": "Elasticsearch" }

const refusals = {
  429: { type: "es_rejected_execution_exception", reason: "the write queue is full" },
  503: { type: "cluster_block_exception", reason: "no master" }
}

/**
 * Every second line of a bulk body is a document; a removal has none, but is written as a document here.
 * @param {string} body
 */
const rejected = (body) => {
  const lines = body.trimEnd().split("\n").map((line) => /** @type {Record<string, any>} */ (JSON.parse(line)))
  const actions = lines.filter((line) => line["index"]?._id !== undefined)
  const error = { type: "document_parsing_exception", reason: "[1:1] failed to parse field [title]" }
  return {
    took: 1,
    errors: true,
    items: actions.map(({ index }) => ({ index: { _index: index._index, _id: index._id, status: 400, error } }))
  }
}

/**
 * @param {string} url of the real engine
 */
export const engineWithFaults = async (url) => {
  const target = new URL(url)
  /** @type {Fault[]} */
  let planned = []
  let always = /** @type {Fault} */ ("pass")
  let slowMs = 0
  /** What bulk requests have met so far, in order. */
  const met = /** @type {Fault[]} */ ([])

  /**
   * @param {import("node:http").IncomingMessage} asked
   * @param {import("node:http").ServerResponse} response
   */
  const forward = (asked, response) => {
    const { headers: sent, method, url: path } = asked
    const options = { host: target.hostname, port: target.port, method, path, headers: sent }
    const beyond = request(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.on("error", () => response.destroy()).pipe(response)
    })
    beyond.on("error", () => response.destroy())
    asked.on("error", () => beyond.destroy()).pipe(beyond)
  }

  const server = createServer((asked, response) => {
    const isBulk = asked.url?.includes("/_bulk") === true
    const fault = isBulk ? planned.shift() ?? always : "pass"
    if (isBulk) met.push(fault)
    if (fault === "pass") return forward(asked, response)
    if (fault === "slow") return void setTimeout(() => forward(asked, response), slowMs)
    if (fault === "hang") return void asked.resume()
    /** @type {Buffer[]} */
    const chunks = []
    asked.on("data", (/** @type {Buffer} */ chunk) => chunks.push(chunk)).on("end", () => {
      if (fault === "rejects") {
        const body = Buffer.concat(chunks)
        const text = (asked.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString("utf8")
        response.writeHead(200, headers).end(JSON.stringify(rejected(text)))
        return
      }
      const status = Number(fault)
      response.writeHead(status, headers).end(JSON.stringify({ error: refusals[fault], status }))
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = /** @type {import("node:net").AddressInfo} */ (server.address())

  return {
    url: `http://127.0.0.1:${address.port}`,
    met: /** @type {ReadonlyArray<Fault>} */ (met),
    /**
     * The next bulk requests, in order; what comes after them is let through.
     * @param {ReadonlyArray<Fault>} faults
     */
    next: (faults) => {
      planned = [...faults]
    },
    /**
     * Every bulk request from now on.
     * @param {Fault} fault
     * @param {number} [ms] how long `slow` takes
     */
    always: (fault, ms = 0) => {
      always = fault
      slowMs = ms
    },
    stop: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}
