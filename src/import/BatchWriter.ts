/** Commits one batch after another: its blocks, and how far the import is, in one transaction. */
import { Effect } from "effect"
import { Catalog } from "../catalog/Catalog.ts"
import type { FieldsOf } from "../domain/Entity.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import { Transaction } from "../outbox/Transaction.ts"
import { CurrentRequest } from "../telemetry/CurrentRequest.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { after, type Batch, blocksOf, type Reject, rejectsOf, type Standing } from "./ImportBatch.ts"
import { type ImportLine, rejected } from "./ImportLine.ts"
import { type ImportMoved, ImportProgress, type ImportRecord, ValueRefused } from "./ImportProgress.ts"
import * as NameIds from "./NameIds.ts"
import { patiently } from "./Patience.ts"

export type OnReject<E> = (rejects: ReadonlyArray<Reject>) => Effect.Effect<void, E>

export const make = Effect.gen(function*() {
  const catalog = yield* Catalog
  const transaction = yield* Transaction
  const progress = yield* ImportProgress
  const names = yield* NameIds.make

  const fieldsOf = (record: ImportRecord, line: ImportLine): FieldsOf["block"] => ({
    library_id: names.library(line.library ?? record.library),
    title: line.title,
    body: line.body,
    tag_ids: [...new Set(line.tags ?? [])].map(names.tag)
  })

  const commit = Effect.fnUntraced(function*(record: ImportRecord, from: Standing, to: Standing, batch: Batch) {
    const lines = blocksOf(batch)
    yield* names.learn({
      libraries: lines.map((line) => line.library ?? record.library),
      tags: lines.flatMap((line) => line.tags ?? [])
    })
    yield* transaction.run(Effect.gen(function*() {
      if (lines.length > 0) yield* catalog.createAll("block", lines.map((line) => fieldsOf(record, line)))
      yield* progress.advance(record.sha256, from, to)
    }))
  })

  const refused = ({ message }: { readonly message: string }) => Effect.fail(new ValueRefused({ reason: message }))

  const write = (record: ImportRecord, from: Standing, to: Standing, batch: Batch) =>
    commit(record, from, to, batch).pipe(
      // A library or a tag went away since it was looked up: then it is made anew, once.
      Effect.tapErrorTag("ReferenceMissing", () => names.forget),
      Effect.retry({ times: 1, while: ({ _tag }) => _tag === "ReferenceMissing" }),
      Effect.catchTags({ ReferenceMissing: refused, NameTaken: refused }),
      Effect.catchDefect(progress.explained),
      // Of a commit whose answer was lost only the record can say whether it went through.
      Effect.catchTag(
        "ImportMoved",
        (moved) =>
          Effect.flatMap(
            progress.find(record.sha256),
            (found) => found?.standing.nextLine === to.nextLine ? Effect.void : Effect.fail(moved)
          )
      ),
      patiently
    )

  /** Halves a batch that is refused until only the line that is to blame stands alone. */
  const settle = <E>(
    record: ImportRecord,
    from: Standing,
    batch: Batch,
    onReject: OnReject<E>
  ): Effect.Effect<Standing, StoreUnavailable | ImportMoved | E> => {
    const to = after(from, batch)
    return write(record, from, to, batch).pipe(
      Effect.as(to),
      Effect.catchTag("ValueRefused", ({ reason }) =>
        Effect.gen(function*() {
          if (batch.length === 1) {
            const known: Batch = [{ ...batch[0]!, reading: rejected(reason) }]
            yield* onReject(rejectsOf(known))
            return yield* settle(record, from, known, onReject)
          }
          const middle = batch.length >> 1
          const between = yield* settle(record, from, batch.slice(0, middle), onReject)
          return yield* settle(record, between, batch.slice(middle), onReject)
        }))
    )
  }

  /** Rejects are told before they are committed: told twice is better than never. */
  return <E>(record: ImportRecord, from: Standing, batch: Batch, onReject: OnReject<E>) => {
    const requestId = `import-${record.sha256.slice(0, 12)}-${from.nextLine}`
    const rejects = rejectsOf(batch)
    return Effect.andThen(
      rejects.length === 0 ? Effect.void : onReject(rejects),
      settle(record, from, batch, onReject)
    ).pipe(
      Effect.withSpan("import.batch", {
        root: true,
        attributes: { step: "import_batch", lines: batch.length, rejected: rejects.length, request_id: requestId }
      }, withoutStack),
      Effect.updateService(CurrentRequest, (request) => ({ ...request, requestId }))
    )
  }
})
