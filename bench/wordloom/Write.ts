/**
 * Writes N documents to the search index in a bare loop: no outbox, nothing retried, nothing settled. With N = 0 it
 * only makes the index. program.js write N BATCH CONCURRENCY
 */
import { Client } from "@elastic/elasticsearch"
import { Effect } from "effect"
import { linesOf } from "../../layers/elasticsearch/BulkRequest.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { SearchSource } from "../../src/search/SearchSource.ts"
import { Settings } from "../../src/settings/Settings.ts"
import { report, whenTold } from "../ChildSide.ts"
import { meter } from "../Meter.ts"
import { runInFoundation } from "./RunInFoundation.ts"

const [wanted = 0, batch = 1_000, concurrency = 2] = process.argv.slice(3).map(Number)

const documents = Effect.gen(function*() {
  const { page } = yield* SearchSource
  const found: Array<IndexWrite> = []
  let after: EntityId | undefined
  while (found.length < wanted) {
    const next = yield* page(after, 5_000)
    if (next.length === 0) return yield* Effect.die(new Error(`there are only ${found.length} documents`))
    after = next.at(-1)!.id
    found.push(...next.filter(({ kind }) => kind === "block"))
  }
  return found.slice(0, wanted)
})

/** What anybody would write who needs only this: the client with its defaults, a batch as one text. */
const bulk = Effect.gen(function*() {
  const { elasticIndex, elasticUrl } = yield* Settings
  const client = new Client({ node: elasticUrl!, maxRetries: 0 })
  return (writes: ReadonlyArray<IndexWrite>) =>
    Effect.promise(async () => {
      const said = Date.now()
      const answer: any = await client.transport.request({
        method: "POST",
        path: `/${elasticIndex}/_bulk`,
        querystring: { filter_path: "errors,items.*.status" },
        bulkBody: writes.map((write) => linesOf(write, said)).join("")
      })
      if (answer.errors !== false) throw new Error("a document was refused")
    })
})

const program = Effect.gen(function*() {
  const index = yield* SearchIndex
  yield* index.prepare
  if (wanted === 0) return {}
  const all = yield* documents
  const send = index.engine === "elasticsearch" ? yield* bulk : index.write
  const batches = Array.from(
    { length: Math.ceil(all.length / batch) },
    (_, at) => all.slice(at * batch, (at + 1) * batch)
  )
  const measure = meter()
  yield* Effect.forEach(batches, (writes) => send(writes), { concurrency, discard: true })
  return measure(all.length)
})

whenTold(() => process.exit(3))
report(await runInFoundation(program))
process.exit(0)
