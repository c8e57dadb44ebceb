/** Sends what differs to the index again, through the outbox like every other change. */
import { Effect } from "effect"
import { Outbox } from "../outbox/Outbox.ts"
import { Transaction } from "../outbox/Transaction.ts"
import type { Drift } from "../search/Drift.ts"
import { CurrentRequest } from "../telemetry/CurrentRequest.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { ReconcileStore, type Surpassed } from "./ReconcileStore.ts"

/** Revisions are sums of integers; an index that has a higher one got it from somebody else. */
const revisionMax = 2_147_000_000

/**
 * A document that was deleted behind our back leaves a version one higher, which Elasticsearch remembers for a minute
 * and does not tell. Steps to spare, in case it was deleted more than once.
 */
const deletions = 10

const surpassed = ({ class: name, expected, found, id, kind }: Drift): Surpassed => ({
  kind,
  id,
  isOrphan: name === "orphaned",
  version: Math.max(0, found?.version ?? 0),
  above: Math.max(expected?.revision ?? 0, found?.revision ?? 0) + (name === "missing" ? deletions : 0)
})

/** No revision of ours could replace the others: only whoever wrote them can take them out of the index. */
export const isBeyond = (drift: Drift): boolean => surpassed(drift).above > revisionMax

/** Short transactions: rows are locked in them. */
export const repairMax = 500

/** At most `repairMax` of them, in one transaction; answers how many the index will be told of. */
export const repair = Effect.fnUntraced(
  function*(drifts: ReadonlyArray<Drift>) {
    const [store, outbox, transaction] = [yield* ReconcileStore, yield* Outbox, yield* Transaction]
    const within = drifts.filter((drift) => !isBeyond(drift)).map(surpassed)
    const changes = yield* store.surpass(within).pipe(
      Effect.tap((changes) => outbox.append(changes, ["search"])),
      transaction.run
    )
    yield* Effect.annotateCurrentSpan({ rows: changes.length })
    return changes.length
  },
  Effect.withSpan("reconcile.repair", {}, withoutStack),
  Effect.provideService(CurrentRequest, { requestId: null, actor: "reconcile" })
)
