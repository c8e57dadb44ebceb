/** Jaeger and Tempo tell of the same writes; their adapters read the same traces from both. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { type Answer, traceOf } from "../../layers/tracestore/OtlpShape.ts"
import * as TraceStoreJaeger from "../../layers/tracestore/TraceStoreJaeger.ts"
import * as TraceStoreTempo from "../../layers/tracestore/TraceStoreTempo.ts"
import { isWorkers } from "../../src/trace/Story.ts"
import { essence, traceStoreSuite } from "../conformance/TraceStoreSuite.ts"
import { documentOf, type Recording, recordings, storyOf } from "../trace/Recorded.ts"
import { asJaeger } from "./RecordedStore.ts"

/** Both stores were sent the same spans, so their ids are the same. */
const idsOf = (name: Recording) => {
  const { trace, workers } = documentOf(name)
  return { request: trace.data[0].traceID, workers: workers.map(({ data }) => data[0].traceID) }
}

traceStoreSuite({
  name: "Jaeger",
  layer: TraceStoreJaeger.layer,
  recorded: (names) => asJaeger(names.map(documentOf)),
  idsOf
})

type TempoDocument = typeof Answer.Type

const tempoOf = (name: Recording): ReadonlyArray<readonly [string, TempoDocument]> => {
  const file = new URL(`recorded/tempo-${name}.json`, import.meta.url)
  const { trace, workers } = JSON.parse(readFileSync(file, "utf8"))
  const { request, workers: ids } = idsOf(name)
  return [[request, trace], ...ids.map((id, at) => [id, workers[at]] as const)]
}

const isSearchWorkers = ([id, document]: readonly [string, TempoDocument]) =>
  isWorkers(traceOf(id, document)) && JSON.stringify(document).includes("wordloom-search-outbox-worker")

traceStoreSuite({
  name: "Tempo",
  layer: TraceStoreTempo.layer,
  recorded: (names) => {
    const documents = names.flatMap(tempoOf)
    const services = documents.flatMap(([id, document]) => traceOf(id, document).spans.map(({ service }) => service))
    return ({ pathname }) => {
      if (pathname.endsWith("/values")) return { body: JSON.stringify({ tagValues: [...new Set(services)] }) }
      if (pathname.endsWith("/search")) {
        // Tempo leaves out the zeros that an id begins with.
        const found = documents.filter(isSearchWorkers).map(([id]) => ({ traceID: id.replace(/^0+/, "") }))
        return { body: JSON.stringify({ traces: found }) }
      }
      const document = documents.find(([id]) => pathname.endsWith(id))?.[1]
      return document === undefined ? { status: 404, body: "" } : { body: JSON.stringify(document) }
    }
  },
  idsOf
})

describe("Jaeger and Tempo", () => {
  it.for(recordings)("tell the same of the same write: %s", (name) => {
    const { request, workers } = storyOf(name)
    assert.deepStrictEqual(
      tempoOf(name).map(([id, document]) => essence(traceOf(id, document))),
      [request!, ...workers].map(essence)
    )
  })
})
