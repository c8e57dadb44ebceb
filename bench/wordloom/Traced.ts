/**
 * Requests of five spans each, with the product's tracer: what they cost, and what becomes of the spans.
 * program.js traced serve N: over HTTP, each with a statement, until its input ends; memory is looked at once N were
 * served.
 * program.js traced cost N: N of them, one after the other, with no database.
 */
import { Context, Effect, Exit, Layer, References, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { statement } from "../../layers/postgres/Statement.ts"
import * as OpenTelemetry from "../../layers/telemetry/OpenTelemetry.ts"
import * as Foundation from "../../programs/compose/Foundation.ts"
import { keepHeapSmall } from "../../programs/compose/SmallHeap.ts"
import { Settings } from "../../src/settings/Settings.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { ready, report, whenTold } from "../ChildSide.ts"

const spansEach = 5
const [, , , what = "", count = "0", ending = "ok"] = process.argv

const around = <A, E, R>(name: string, kind: "internal" | "client" | "producer", inner: Effect.Effect<A, E, R>) =>
  Effect.withSpan(inner, name, { kind, attributes: { operation: "create", table: "tags", rows: 1 } })

/**
 * As a write's: the request, its transaction with a statement, and what it leaves in two outboxes. The statement only
 * reads: what the disk does at a commit differs more than what is to be measured.
 */
const request = <A, E, R>(transaction: Effect.Effect<A, E, R>, fails: boolean) =>
  Effect.gen(function*() {
    yield* transaction
    yield* around("outbox.enqueue", "producer", Effect.void)
    yield* around("outbox.enqueue", "producer", Effect.void)
    if (fails) return yield* Effect.fail(new Error("no luck"))
  }).pipe(
    Effect.withSpan("POST /api/v1/tags", {
      root: true,
      kind: "server",
      attributes: {
        "http.request.method": "POST",
        "http.route": "/api/v1/tags",
        request_id: "bf0c7b0e-9a5c-4a6e-8d0e-3a3c9c0c8f10",
        "server.address": "127.0.0.1",
        "http.response.status_code": fails ? 500 : 201
      }
    }),
    Effect.exit
  )

const countOf = (result: "exported" | "dropped" | "sampled_out") =>
  Metrics.spans.labelled({ result }).metric.valueUnsafe(Context.empty()).count

const accounts = () => ({
  exported: countOf("exported"),
  dropped: countOf("dropped"),
  sampledOut: countOf("sampled_out"),
  buffered: Metrics.spansBuffered.metric.valueUnsafe(Context.empty()).value
})

const rssMB = () => process.memoryUsage.rss() / 2 ** 20

const scope = Scope.makeUnsafe()
const built = <A, E>(layer: Layer.Layer<A, E>) => Effect.runPromise(Scope.provide(Layer.build(layer), scope))
const tracer = OpenTelemetry.layer("wordloom-bench")
const close = () => Effect.runPromise(Scope.close(scope, Exit.void))

const serve = async () => {
  keepHeapSmall()
  const context = await built(Layer.provideMerge(tracer, Foundation.layer("wordloom-bench")))
  const isTraced = Context.get(context, References.TracerEnabled)
  const run = Effect.runForkWith(context)
  const sql = Context.get(context, SqlClient.SqlClient)
  const read = statement("query", "tags", sql`select name, color from tags where name = ${"none"} limit 1`)
  const answered = request(around("db.tx", "internal", read), false)
  let requests = 0
  let first = 0
  let most = 0
  const server = createServer((_, response) => {
    requests++
    run(Effect.andThen(answered, Effect.sync(() => response.end("{}"))))
  }).listen(0, "127.0.0.1", () => ready(String((server.address() as AddressInfo).port)))
  // A connection that is closed in the moment in which it is used again would be an error of the measurement.
  server.keepAliveTimeout = 0
  // What is loaded and compiled at first is no growth.
  const look = setInterval(() => {
    const now = rssMB()
    if (requests > Number(count) && first === 0) first = now
    if (first > 0) most = Math.max(most, now)
  }, 250)
  whenTold(() => {
    clearInterval(look)
    const atEnd = accounts()
    const produced = isTraced ? requests * spansEach : 0
    const cpuUs = process.cpuUsage()
    const startedAt = performance.now()
    void close().then(() => {
      const closeMs = performance.now() - startedAt
      const each = (cpuUs.user + cpuUs.system) / requests
      report({ produced, atEnd, after: accounts(), closeMs, growthMB: most - first, each })
      process.exit(0)
    })
  })
}

const cost = async () => {
  const context = await built(Layer.provideMerge(tracer, Settings.layer(process.env)))
  const nothing = around("db.tx", "internal", around("db.create", "client", Effect.void))
  const one = Effect.andThen(request(nothing, ending === "fails"), Effect.yieldNow)
  const many = (n: number) => Effect.runPromiseWith(context)(Effect.repeat(one, { times: n - 1 }))
  await many(5_000)
  const cpu = process.cpuUsage()
  await many(Number(count))
  const { system, user } = process.cpuUsage(cpu)
  await close()
  report({ us: (system + user) / Number(count), ...accounts() })
  process.exit(0)
}

await (what === "serve" ? serve() : cost())
