/** Indexes of a test file's own in a real Elasticsearch, gone when it ends. */
import { afterAll } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as ElasticsearchClient from "../../../layers/elasticsearch/ElasticsearchClient.ts"
import * as SearchIndexElasticsearch from "../../../layers/elasticsearch/SearchIndexElasticsearch.ts"
import type { SearchIndex, WriteResult } from "../../../src/search/SearchIndex.ts"
import { startElasticsearch } from "./RealElasticsearch.ts"

/** As it is told to a person who compares. */
export const tell = (result: WriteResult | undefined) =>
  result?._tag === "Failed" ? `${result.failure.class} ${result.failure.errorType}` : result?._tag

export const ownIndexes = async () => {
  const real = await startElasticsearch()
  const url = "url" in real ? real.url : "http://127.0.0.1:1"
  const names: Array<string> = []

  const call = async (method: string, path: string, body?: object) => {
    const json = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(`${url}/${path}`, { method, headers: { "content-type": "application/json" }, ...json })
    return { status: response.status, body: await response.json() as any }
  }

  afterAll(async () => {
    if ("missing" in real) return
    for (const name of names) {
      const { body } = await call("GET", `${name},${name}-*?ignore_unavailable=true`)
      for (const index of Object.keys(body)) await call("DELETE", index)
    }
    await real.stop()
  })

  /** A name that no other test has. */
  const newName = () => {
    const name = `wordloom-test-${crypto.randomUUID()}`
    names.push(name)
    return name
  }

  const layerOf = (index: string) =>
    SearchIndexElasticsearch.layer.pipe(Layer.provideMerge(ElasticsearchClient.layer({ url, index })))

  const withIndex = <A, E>(use: (name: string) => Effect.Effect<A, E, SearchIndex>) => () => {
    const name = newName()
    return Effect.provide(use(name), layerOf(name))
  }

  const told = (method: string, path: string, body?: object) => Effect.promise(() => call(method, path, body))

  return { real, told, newName, layerOf, withIndex }
}
