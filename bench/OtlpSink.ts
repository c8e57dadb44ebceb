/** A collector that counts spans and keeps none: a process of its own, so that its work is nobody else's. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { ready, report, whenTold } from "./ChildSide.ts"

/** Once in every span of the OTLP JSON. */
const mark = Buffer.from("\"startTimeUnixNano\"")
let spans = 0
let bytes = 0

const count = (body: Buffer) => {
  for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + mark.length)) spans++
}

const server = createServer((request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
    const body = Buffer.concat(chunks)
    bytes += body.length
    count(body)
    response.setHeader("content-type", "application/json").end("{}")
  })
}).listen(0, "127.0.0.1", () => ready(String((server.address() as AddressInfo).port)))

whenTold(() => {
  report({ spans, bytes })
  process.exit(0)
})
