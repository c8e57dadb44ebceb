/** Damaged copies of a real trace, kept by a real Jaeger and a real Tempo: each fails for its own reason. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { missing, start } from "../../infra/servers.js"
import * as TraceStoreJaeger from "../../layers/tracestore/TraceStoreJaeger.ts"
import * as TraceStoreTempo from "../../layers/tracestore/TraceStoreTempo.ts"
import { gather } from "../../src/trace/Gather.ts"
import { verify } from "../../src/trace/Verify.ts"
import { until } from "../support/Programs.ts"
import { damages } from "../trace/Damages.ts"
import { copyOf, sendTo } from "../trace/Otlp.ts"
import { storyOf } from "../trace/Recorded.ts"

const isFull = process.env["WORDLOOM_FULL"] === "1"
const stores = [
  { name: "jaeger", layer: TraceStoreJaeger.layer },
  { name: "tempo", layer: TraceStoreTempo.layer }
] as const

/** A span of another trace would not be a part of this one in any store. */
const storable = damages.filter(({ check }) => check !== "ids")

const nothingElse = { service: "", operation: "", from: 0, to: 0, limit: 1 }

describe.each(stores)("damaged traces in $name", ({ layer, name }) => {
  const lacking = isFull ? missing(name) : "only with `npm run test:full`"
  if (lacking !== undefined) console.warn(`Damaged traces in ${name} are not tested: ${lacking}`)

  it.live.skipIf(lacking !== undefined)(
    "fail each for its own reason, and the whole one passes",
    () =>
      Effect.gen(function*() {
        const { urls } = yield* Effect.acquireRelease(
          Effect.promise(() => start(name)),
          (server) => Effect.promise(() => server.stop())
        )
        const copies = [storyOf("retried"), ...storable.map(({ story }) => story)].map((story, at) =>
          copyOf(story, at + 1)
        )
        for (const { request, workers } of copies) {
          yield* Effect.promise(() => sendTo(urls.otlp, [request!, ...workers]))
        }
        const base = `${urls.query}/api`
        const ids = copies.map(({ request }) => request!.id)
        yield* Effect.promise(() =>
          until(`the last copy in ${name}`, async () => (await fetch(`${base}/traces/${ids.at(-1)}`)).ok)
        )
        const failing = Effect.fnUntraced(function*(traceId: string) {
          const [found] = yield* gather({ traceId, wanted: nothingElse, services: [] })
          return verify(found!.story).flatMap(({ finding, name }) =>
            finding._tag === "Failed" ? [`${name}: ${finding.problems.join("; ")}`] : []
          )
        })
        const found = yield* Effect.forEach(ids, failing).pipe(Effect.provide(layer(new URL(base))))
        assert.deepStrictEqual(found[0], [])
        for (const [at, { check, names, what }] of storable.entries()) {
          const own = found[at + 1]!.find((line) => line.startsWith(`${check}: `))
          assert.match(own ?? `not ${check}, but ${found[at + 1]!.join("; ")}`, names, what)
        }
      }).pipe(Effect.scoped)
  )
})
