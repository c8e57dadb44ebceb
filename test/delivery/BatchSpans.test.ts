/** The worker's own trace of each batch, as contract §5 draws it; an idle worker has none. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { changeOf } from "../support/Changes.ts"
import * as Spans from "../support/RecordedSpans.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import * as Working from "../support/Working.ts"

const { always, failed, inTurn, written } = ScriptedDestination
const { reclaimOnce, request, runOnce, working } = Working
const { enqueued, only, treeOfBatch } = Spans

describe("the trace of a batch", () => {
  it.effect("has a root of its own, whatever the worker was started in", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf(), changeOf())
      yield* Effect.withSpan(runOnce, "the program")
      assert.deepStrictEqual(yield* treeOfBatch("projection", "batch_size", "ok", "failed", "expected", "acked"), [
        "outbox_worker.loop projection=search batch_size=3",
        "  outbox.claim_batch CLIENT projection=search batch_size=3",
        "  projection.process_batch projection=search batch_size=3 ok=3 failed=0",
        "    far.write CLIENT projection=search",
        "    outbox.ack_batch CLIENT projection=search expected=3 acked=3"
      ])
      const loop = yield* only("outbox_worker.loop")
      assert.isTrue(Option.isNone(loop.parent))
      assert.notInclude((yield* enqueued).map(({ traceId }) => traceId), loop.traceId)
    }).pipe(working(always(written))))

  it.effect("is linked with every row's attempt, both ways", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      yield* runOnce
      const batch = yield* only("projection.process_batch")
      const processes = yield* Spans.named("outbox.process")
      assert.deepStrictEqual(batch.links.map(({ span }) => span.spanId), processes.map(({ spanId }) => spanId))
      for (const { links } of processes) assert.deepStrictEqual(links.map(({ span }) => span.spanId), [batch.spanId])
    }).pipe(working(always(written))))

  it.effect("has no more links than a span may have, and says how many it left out", () =>
    Effect.gen(function*() {
      yield* request(...Array.from({ length: 200 }, () => changeOf()))
      yield* runOnce
      const batch = yield* only("projection.process_batch")
      assert.strictEqual(batch.links.length, 128)
      assert.strictEqual(batch.attributes.get("links_dropped"), 72)
      assert.strictEqual((yield* Spans.named("outbox.process")).length, 200)
    }).pipe(working(always(written))))

  it.effect("is not there when there was nothing to do", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* runOnce, 0)
      assert.strictEqual(yield* reclaimOnce, 0)
      assert.deepStrictEqual(yield* Spans.all, [])
    }).pipe(working(always(written))))

  it.effect("ends every span that it began", () =>
    Effect.gen(function*() {
      yield* request(changeOf(), changeOf())
      yield* runOnce
      assert.deepStrictEqual((yield* Spans.all).filter(({ status }) => status._tag === "Started"), [])
    }).pipe(working(inTurn(failed({ detail: "x".repeat(256) }), written))))
})
