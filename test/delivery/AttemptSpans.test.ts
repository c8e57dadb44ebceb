/** The trace of a request, as contract §5 draws it: what it tells of each attempt at a row. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Metric, Option } from "effect"
import { TestClock } from "effect/testing"
import { invalidContexts } from "../../src/telemetry/Metrics.ts"
import { changeOf, commit, newId, tracedAs } from "../support/Changes.ts"
import * as Spans from "../support/RecordedSpans.ts"
import * as ScriptedDestination from "../support/ScriptedDestination.ts"
import * as Working from "../support/Working.ts"

const { always, failed, inTurn, poison, superseded, written } = ScriptedDestination
const { killedAfterClaim, options, reclaimOnce, request, rows, runOnce, working } = Working

const { enqueued, only, treeOfBatch } = Spans

const treeOfRow = (...keys: ReadonlyArray<string>) => Effect.flatMap(enqueued, ([span]) => Spans.tree(span!, ...keys))

/** Takes longer than the lease. */
const slow = ScriptedDestination.layer(() => Effect.delay(Effect.succeed(written), "31 seconds"))
const unextended = Working.heartbeatsThat(() => () => Working.away)

describe("the trace of a request", () => {
  it.effect("shows the wait, the attempt and its steps below the enqueue span", () =>
    Effect.gen(function*() {
      const library = newId()
      yield* request(changeOf({ kind: "block", libraryId: library }))
      yield* TestClock.adjust("800 millis")
      assert.strictEqual(yield* runOnce, 1)
      assert.deepStrictEqual(yield* treeOfRow("reason", "result", "outcome", "rows"), [
        "outbox.enqueue PRODUCER",
        "  outbox.wait reason=queue",
        "  outbox.process CONSUMER result=ok outcome=acked",
        "    outbox.claim",
        "    far.write CLIENT",
        "    outbox.ack rows=1"
      ])
      const process = yield* only("outbox.process")
      const [event] = yield* rows
      assert.deepInclude(Spans.attributesOf(process), {
        projection: "search",
        attempt: 1,
        batch_size: 1,
        reclaimed: false,
        ack_rows: 1,
        request_id: "r-1",
        event_id: String(event!.id),
        library_id: library
      })
      assert.isFalse(process.attributes.has("retry_reason"))
      assert.deepStrictEqual(Spans.lasted(yield* only("outbox.wait")), [0, 800])
      assert.strictEqual(event!.traceparent, `00-${process.traceId}-${Option.getOrThrow(process.parent).spanId}-01`)
      const [server] = yield* Spans.named("POST /api/v1/tags")
      assert.strictEqual(process.traceId, server!.traceId)
    }).pipe(working(always(written))))

  it.effect("counts what the far side has already as delivered", () =>
    Effect.gen(function*() {
      yield* request()
      yield* runOnce
      const process = yield* only("outbox.process")
      assert.deepInclude(Spans.attributesOf(process), { result: "ok", outcome: "superseded", ack_rows: 1 })
      assert.strictEqual((yield* rows)[0]!.status, "done")
    }).pipe(working(always(superseded))))

  it.effect("shows a retry as a sibling, and why and how long it waited", () =>
    Effect.gen(function*() {
      yield* request()
      yield* runOnce
      yield* TestClock.adjust("15 seconds")
      yield* runOnce
      assert.deepStrictEqual(
        yield* treeOfRow("reason", "attempt", "outcome", "retry_reason", "decision", "error_type", "rows"),
        [
          "outbox.enqueue PRODUCER",
          "  outbox.wait reason=queue",
          "  outbox.process CONSUMER attempt=1 outcome=retry_scheduled retry_reason=429 ERROR",
          "    outbox.claim",
          "    far.write CLIENT ERROR",
          "    outbox.classify_error decision=retry error_type=es_429",
          "    outbox.ack rows=1",
          "  outbox.wait reason=backoff",
          "  outbox.wait reason=queue",
          "  outbox.process CONSUMER attempt=2 outcome=acked",
          "    outbox.claim",
          "    far.write CLIENT",
          "    outbox.ack rows=1"
        ]
      )
      const [first] = yield* Spans.named("outbox.process")
      assert.strictEqual(Spans.errorOf(first!), "too many requests")
      const [, backoff, queue] = (yield* Spans.named("outbox.wait")).map(Spans.lasted)
      assert.strictEqual(backoff![0], 0)
      assert.isAtMost(backoff![1], 10_000)
      assert.deepStrictEqual(queue, [backoff![1], 15_000])
    }).pipe(working(inTurn(failed(), written))))

  it.effect("says of a try that cost the row no attempt that it is not counted", () =>
    Effect.gen(function*() {
      yield* request()
      yield* runOnce
      const process = yield* only("outbox.process")
      const marks = { attempt: 1, outcome: "retry_scheduled", retry_reason: "4xx", counted: false }
      assert.deepInclude(Spans.attributesOf(process), marks)
    }).pipe(working(always(failed({ class: "configuration", errorType: "es_4xx" })))))

  it.effect("shows 429, a time-out, 503 and then success as four attempts side by side, each with its reason", () =>
    Effect.gen(function*() {
      yield* request()
      for (let attempt = 1; attempt <= 4; attempt++) {
        assert.strictEqual(yield* runOnce, 1)
        yield* TestClock.adjust("1 minute")
      }
      const told = (yield* treeOfRow("attempt", "result", "retry_reason")).filter((line) => line.includes("process"))
      assert.deepStrictEqual(told, [
        "  outbox.process CONSUMER attempt=1 result=failed retry_reason=429 ERROR",
        "  outbox.process CONSUMER attempt=2 result=failed retry_reason=timeout ERROR",
        "  outbox.process CONSUMER attempt=3 result=failed retry_reason=5xx ERROR",
        "  outbox.process CONSUMER attempt=4 result=ok"
      ])
      assert.deepInclude((yield* rows)[0], { status: "done", attempts: 4 })
    }).pipe(
      working(
        inTurn(
          failed(),
          failed({ class: "transient", errorType: "timeout" }),
          failed({ class: "transient", errorType: "es_503" }),
          written
        ),
        { options: { attemptsMax: 10 } }
      )
    ))

  it.effect("shows the burial of a row that will never be accepted", () =>
    Effect.gen(function*() {
      yield* request()
      yield* runOnce
      assert.deepStrictEqual(yield* treeOfRow("outcome", "decision", "error_type", "error.type"), [
        "outbox.enqueue PRODUCER",
        "  outbox.wait",
        "  outbox.process CONSUMER outcome=dead_lettered error.type=es_mapping ERROR",
        "    outbox.claim",
        "    far.write CLIENT error.type=es_mapping ERROR",
        "    outbox.classify_error decision=dead error_type=es_mapping",
        "    outbox.ack",
        "  outbox.dead_letter error.type=es_mapping ERROR"
      ])
      assert.deepInclude((yield* rows)[0], { status: "dead", error_type: "es_mapping", error_detail: "no such field" })
    }).pipe(working(always(poison))))

  it.effect("buries what has no attempts left, each of them in the same trace", () =>
    Effect.gen(function*() {
      yield* request()
      for (let turn = 0; turn < 4; turn++) {
        yield* runOnce
        yield* TestClock.adjust("61 seconds")
      }
      const processes = yield* Spans.named("outbox.process")
      assert.deepStrictEqual(processes.map((span) => span.attributes.get("attempt")), [1, 2, 3])
      const outcomes = processes.map((span) => span.attributes.get("outcome"))
      assert.deepStrictEqual(outcomes, ["retry_scheduled", "retry_scheduled", "dead_lettered"])
      const [enqueue] = yield* enqueued
      for (const span of processes) {
        assert.strictEqual(span.traceId, enqueue!.traceId)
        assert.strictEqual(Option.getOrThrow(span.parent).spanId, enqueue!.spanId)
      }
      assert.deepInclude((yield* rows)[0], { status: "dead", attempts: 3 })
    }).pipe(working(always(failed()))))

  it.effect("says so when the lease was lost before the settlement, and does not call it a success", () =>
    Effect.gen(function*() {
      yield* request()
      const running = yield* Effect.forkChild(runOnce)
      yield* TestClock.adjust("31 seconds")
      yield* Fiber.join(running)
      assert.deepStrictEqual(yield* treeOfRow("result", "outcome", "ack_rows", "rows", "error.type"), [
        "outbox.enqueue PRODUCER",
        "  outbox.wait",
        "  outbox.process CONSUMER result=failed outcome=lease_lost ack_rows=0 error.type=lease_lost ERROR",
        "    outbox.claim",
        "    far.write CLIENT",
        "    outbox.ack rows=0"
      ])
      const ack = yield* only("outbox.ack_batch")
      assert.deepInclude(Spans.attributesOf(ack), { expected: 1, acked: 0 })
      assert.deepInclude(Spans.attributesOf(yield* only("projection.process_batch")), {
        ok: 0,
        failed: 1,
        result: "failed"
      })
    }).pipe(working(slow, { ports: unextended })))

  it.effect("tells the attempt of a worker that died, and what came of its row", () =>
    Effect.gen(function*() {
      yield* request()
      yield* killedAfterClaim
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(yield* reclaimOnce, 1)
      yield* runOnce
      assert.deepStrictEqual(yield* treeOfRow("reason", "attempt", "reclaimed", "outcome", "error.type", "worker_id"), [
        "outbox.enqueue PRODUCER",
        "  outbox.attempt_lost attempt=1 error.type=lease_expired worker_id=w-killed ERROR",
        "  outbox.wait reason=queue",
        "  outbox.process CONSUMER attempt=2 reclaimed=true outcome=acked worker_id=w1",
        "    outbox.claim",
        "    far.write CLIENT",
        "    outbox.ack"
      ])
      assert.deepStrictEqual(Spans.lasted(yield* only("outbox.attempt_lost")), [0, 40_000])
      assert.strictEqual((yield* only("outbox.claim_batch")).attributes.get("reclaimed"), 1)
    }).pipe(working(always(written))))

  it.effect("tells of the row that died with its last worker", () =>
    Effect.gen(function*() {
      yield* request()
      for (let attempt = 0; attempt < options.attemptsMax; attempt++) {
        yield* killedAfterClaim
        yield* TestClock.adjust("31 seconds")
        yield* reclaimOnce
      }
      assert.deepStrictEqual(yield* treeOfRow("attempt"), [
        "outbox.enqueue PRODUCER",
        "  outbox.attempt_lost attempt=1 ERROR",
        "  outbox.attempt_lost attempt=2 ERROR",
        "  outbox.attempt_lost attempt=3 ERROR",
        "  outbox.dead_letter attempt=3 ERROR"
      ])
      assert.strictEqual((yield* rows)[0]!.status, "dead")
    }).pipe(working(always(written))))
})

describe("a row without a usable trace", () => {
  it.effect("is delivered, and told of in the worker's trace only", () =>
    Effect.gen(function*() {
      yield* commit(changeOf()).pipe(Effect.withTracerEnabled(false))
      yield* runOnce
      assert.deepInclude((yield* rows)[0], { status: "done", traceparent: null })
      assert.deepStrictEqual(yield* treeOfBatch(), [
        "outbox_worker.loop",
        "  outbox.claim_batch CLIENT",
        "  projection.process_batch",
        "    far.write CLIENT",
        "    outbox.ack_batch CLIENT"
      ])
      assert.deepStrictEqual(yield* Spans.named("outbox.process"), [])
    }).pipe(working(always(written))))

  it.effect("is delivered when its trace is damaged", () =>
    Effect.gen(function*() {
      const traceparents = ["", "noop", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "ff-x"]
      for (const traceparent of traceparents) {
        yield* commit(changeOf()).pipe(tracedAs({ traceparent, tracestate: "\0" }))
      }
      const invalid = Effect.map(
        Metric.value(Metric.withAttributes(invalidContexts.metric, { carrier: "outbox" })),
        ({ count }) => count
      )
      const before = yield* invalid
      yield* runOnce
      assert.deepStrictEqual((yield* rows).map(({ status }) => status), traceparents.map(() => "done"))
      assert.deepStrictEqual(yield* Spans.named("outbox.process"), [])
      assert.strictEqual((yield* invalid) - before, traceparents.length)
    }).pipe(working(always(written))))

  it.effect("is delivered when it was not sampled, and stays so all the way", () =>
    Effect.gen(function*() {
      const [id, span] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"]
      yield* commit(changeOf()).pipe(tracedAs({ traceparent: `00-${id}-${span}-00`, tracestate: null }))
      yield* runOnce
      assert.strictEqual((yield* rows)[0]!.status, "done")
      const ofRequest = (yield* Spans.all).filter(({ traceId }) => traceId === id)
      assert.sameMembers(ofRequest.map(({ name }) => name), [
        "outbox.wait",
        "outbox.process",
        "outbox.claim",
        "far.write",
        "outbox.ack"
      ])
      assert.isTrue(ofRequest.every(({ sampled }) => !sampled))
      assert.isTrue((yield* only("outbox_worker.loop")).sampled)
    }).pipe(working(always(written))))
})
