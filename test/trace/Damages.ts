/** A real trace, broken in every way that a check is there for, and what must be said of it. */
import type { Story } from "../../src/trace/Story.ts"
import type { TraceSpan } from "../../src/trace/Trace.ts"
import type { CheckName } from "../../src/trace/Verify.ts"
import { changed, changedWorkers, is, storyOf } from "./Recorded.ts"

const search = { projection: "search" }
export const second = 1_000_000_000n
export const moved = (span: TraceSpan, by: bigint): TraceSpan => ({
  ...span,
  start: span.start + by,
  end: span.end + by
})
const set = (span: TraceSpan, attributes: TraceSpan["attributes"]): TraceSpan => ({
  ...span,
  attributes: { ...span.attributes, ...attributes }
})

const retried = storyOf("retried")
const spanOf = (story: Story, name: string, attributes: Readonly<Record<string, unknown>> = {}) =>
  story.request!.spans.find((span) => is(span, name, attributes))!

/** All below a span, itself included. */
const without = (story: Story, root: TraceSpan): Story => {
  const gone = new Set([root.spanId])
  for (const span of story.request!.spans.toSorted((a, b) => Number(a.start - b.start))) {
    if (span.parentId !== undefined && gone.has(span.parentId)) gone.add(span.spanId)
  }
  for (const span of story.request!.spans) {
    if (span.parentId !== undefined && gone.has(span.parentId)) gone.add(span.spanId)
  }
  return changed(story, (span) => gone.has(span.spanId) ? undefined : span)
}

const request = spanOf(retried, "PATCH /api/v1/blocks/:id")
const enqueue = spanOf(retried, "outbox.enqueue", search)
const first = spanOf(retried, "outbox.process", { ...search, attempt: 1 })
const last = spanOf(retried, "outbox.process", { ...search, attempt: 3 })

export interface Damage {
  readonly what: string
  readonly story: Story
  readonly check: CheckName
  /** In the sentence that says what is wrong. */
  readonly names: RegExp
}

const half = changed(retried, (span) => span.service.includes("search-outbox") ? undefined : span)

export const damages: ReadonlyArray<Damage> = [
  {
    what: "the worker's half is missing",
    story: half,
    check: "halves",
    names: /outbox\.enqueue \(search\) .*worker's half/
  },
  {
    what: "the request's own span is missing",
    story: changed(retried, (span) => span === request ? undefined : span),
    check: "orphans",
    names: /db\.tx .* names the parent [0-9a-f]{16}, which is not there/
  },
  {
    what: "an attempt hangs below the request, not below its row",
    story: changed(retried, (span) => span === last ? { ...span, parentId: request.spanId } : span),
    check: "parents",
    names: /outbox\.process \(search, attempt 3\) .* is below PATCH .*it belongs below outbox\.enqueue/
  },
  {
    what: "the second attempt is missing",
    story: without(retried, spanOf(retried, "outbox.process", { ...search, attempt: 2 })),
    check: "attempts",
    names: /attempt 3\) .* follows attempt 1: attempt 2 is not told of/
  },
  {
    what: "two attempts with one number",
    story: changed(retried, (span) => span === last ? set(span, { attempt: 2 }) : span),
    check: "attempts",
    names: /attempt 2\) .* follows attempt 2: every attempt has its own number/
  },
  {
    what: "the wait before an attempt lies after it: a negative gap",
    story: changed(
      retried,
      (span) =>
        is(span, "outbox.wait", { ...search, reason: "queue" }) && span.start < first.end ? moved(span, second) : span
    ),
    check: "waits",
    names: /attempt 1\) .*a negative gap/
  },
  {
    what: "an attempt begins before its row was left",
    story: changed(
      retried,
      (span) => span === first || span.parentId === first.spanId ? moved(span, -10n * second) : span
    ),
    check: "times",
    names: /attempt 1\) .* begins 99\d\d\.\d+ ms before outbox\.enqueue/
  },
  {
    what: "an attempt that was never settled",
    story: changed(retried, (span) => is(span, "outbox.ack") && span.parentId === last.spanId ? undefined : span),
    check: "steps",
    names: /attempt 3\) .* has 0 × outbox\.ack/
  },
  {
    what: "an attempt that went well and was not acknowledged",
    story: changed(retried, (span) =>
      span === last
        ? set(span, { ack_rows: 0 })
        : is(span, "outbox.ack") && span.parentId === last.spanId
        ? set(span, { rows: 0 })
        : span),
    check: "outcomes",
    names: /is acked, but ack_rows=0/
  },
  {
    what: "a row that is still tried",
    story: without(retried, last),
    check: "settled",
    names: /its last attempt is retry_scheduled/
  },
  {
    what: "the worker's half under the API's name",
    story: changed(retried, (span) => span === first ? { ...span, service: "wordloom-api" } : span),
    check: "services",
    names: /attempt 1\) .* is of wordloom-api, not of wordloom-search-outbox-worker/
  },
  {
    what: "an attempt of another kind",
    story: changed(retried, (span) => span === first ? { ...span, kind: "internal" } : span),
    check: "kinds",
    names: /attempt 1\) .* is internal, not consumer/
  },
  {
    what: "a failed attempt without error status",
    story: changed(retried, (span) => span === first ? { ...span, failed: false } : span),
    check: "errors",
    names: /attempt 1\) .*error status is missing/
  },
  {
    what: "a result of no closed list",
    story: changed(
      retried,
      (span) => is(span, "outbox.wait", { reason: "backoff" }) ? set(span, { reason: "tired" }) : span
    ),
    check: "attributes",
    names: /reason=tired: it is one of queue, backoff/
  },
  {
    what: "a span of another trace",
    story: changed(retried, (span) => span === last ? { ...span, traceId: "f".repeat(32) } : span),
    check: "ids",
    names: /is of another trace/
  },
  {
    what: "a request that does not say its status in the older name",
    story: changed(retried, (span) => span === request ? set(span, { "http.status_code": 500 }) : span),
    check: "http",
    names: /http\.status_code is not http\.response\.status_code/
  },
  {
    what: "a write that left no row for the chronicle",
    story: without(retried, spanOf(retried, "outbox.enqueue", { projection: "chronicle" })),
    check: "enqueued",
    names: /left no outbox\.enqueue for chronicle/
  },
  {
    what: "a statement outside of the transaction",
    story: changed(retried, (span) => span.name === "db.update" ? { ...span, parentId: request.spanId } : span),
    check: "transaction",
    names: /db\.update .* writes outside of a transaction/
  },
  {
    what: "two beginnings",
    story: changed(retried, (span) => span === enqueue ? { ...span, parentId: undefined } : span),
    check: "roots",
    names: /begins with 2 spans/
  },
  {
    what: "an attempt that links to no batch",
    story: changed(retried, (span) => span === first ? { ...span, links: [] } : span),
    check: "links",
    names: /attempt 1\) .* links to no batch/
  },
  {
    what: "a batch that does not link back",
    story: changedWorkers(retried, (span) => ({ ...span, links: [] })),
    check: "links",
    names: /projection\.process_batch .* does not link back to outbox\.process/
  },
  {
    what: "a batch that the store does not have",
    story: { ...retried, workers: retried.workers.slice(1), absent: [retried.workers[0]!.id] },
    check: "links",
    names: /which the store does not have/
  },
  {
    what: "a loop without its claim",
    story: changedWorkers(retried, (span) => is(span, "outbox.claim_batch") ? undefined : span),
    check: "batch",
    names: /has 0 × outbox\.claim_batch/
  },
  {
    what: "a batch that lost count",
    story: changedWorkers(retried, (span) => is(span, "projection.process_batch") ? set(span, { ok: 5 }) : span),
    check: "counts",
    names: /ok=5 and failed=\d of batch_size=1/
  }
]
