/** Imports of files made up on the spot, against a real PostgreSQL. */
import { Effect, Layer, References, Stream } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import * as EntityStorePostgres from "../../layers/postgres/EntityStorePostgres.ts"
import * as FanOutsPostgres from "../../layers/postgres/FanOutsPostgres.ts"
import * as ImportProgressPostgres from "../../layers/postgres/ImportProgressPostgres.ts"
import * as OutboxPostgres from "../../layers/postgres/OutboxPostgres.ts"
import { layerTransaction } from "../../layers/postgres/PostgresClient.ts"
import * as TagNamesPostgres from "../../layers/postgres/TagNamesPostgres.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import type { Reject, Standing } from "../../src/import/ImportBatch.ts"
import { ImportProgress } from "../../src/import/ImportProgress.ts"
import { Imports, type SourceBroken } from "../../src/import/Imports.ts"
import * as PostgresForTests from "../support/PostgresForTests.ts"

export const stores = Imports.layer.pipe(
  Layer.provideMerge(Catalog.layer),
  Layer.provideMerge(Layer.mergeAll(
    EntityStorePostgres.layer,
    FanOutsPostgres.layer,
    OutboxPostgres.layer,
    TagNamesPostgres.layer,
    ImportProgressPostgres.layer
  )),
  Layer.provideMerge(layerTransaction),
  Layer.provideMerge(Layer.mergeAll(
    PostgresForTests.layer,
    SecureRandom.layerWebCrypto,
    Layer.succeed(References.TracerEnabled, false)
  ))
)

let files = 0

/** Lines that no other test has: an import is known by its content. */
export const fileOf = (lines: ReadonlyArray<string>) => {
  const bytes = new TextEncoder().encode(`${lines.join("\n")}\n`)
  const library = `library ${++files}`
  return {
    library,
    lines: lines.length,
    bytes,
    source: {
      sha256: createHash("sha256").update(library).update(bytes).digest("hex"),
      library: { name: library, asked: false },
      read: (offset: number): Stream.Stream<Uint8Array, SourceBroken> =>
        offset >= bytes.length ? Stream.empty : Stream.make(bytes.slice(offset))
    }
  }
}
export type File = ReturnType<typeof fileOf>

export const block = (title: string, more: object = {}) => JSON.stringify({ title, body: `about ${title}`, ...more })
export const blocks = (count: number) => Array.from({ length: count }, (_, at) => block(`title ${at}`))

export const run = Effect.fnUntraced(function*(
  file: File,
  options: {
    readonly again?: boolean
    readonly onMove?: (standing: Standing) => Effect.Effect<void>
    readonly onBegin?: Effect.Effect<void>
  } = {}
) {
  const imports = yield* Imports
  const rejects: Array<Reject> = []
  const outcome = yield* imports.run(file.source, {
    again: options.again ?? false,
    onBegin: () => options.onBegin ?? Effect.void,
    onReject: (some) => Effect.sync(() => rejects.push(...some)),
    onMove: options.onMove ?? (() => Effect.void)
  })
  return { outcome, rejects: rejects.map(({ line, reason }) => [line, reason]) }
})

export const titlesIn = (library: string) =>
  SqlClient.SqlClient.use((sql) =>
    Effect.map(
      sql<{ readonly title: string }>`
        select title from blocks join libraries on libraries.id = library_id where libraries.name = ${library}
        order by blocks.id`,
      (rows) => rows.map(({ title }) => title)
    )
  )

export const recordOf = (file: File) => ImportProgress.use((progress) => progress.find(file.source.sha256))
