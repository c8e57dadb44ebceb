/** Facts → why it took long: a wait in the outbox (S1-21) or the engine (S1-22), and where every millisecond went. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import type { SlowCause } from "../../src/explain/Explanation.ts"
import { judge } from "../../src/explain/Judge.ts"
import { slowOf } from "../../src/explain/Slow.ts"
import { requestBegan, spentOf, timelineOf } from "../../src/explain/Timeline.ts"
import { ago, attemptOf, claimOf, done, entry, failed, type Given, given, lost, now, shown } from "./Cases.ts"

const told = (facts: Given) => {
  const judged = given(facts)
  const timeline = timelineOf(judged)
  const spent = spentOf(judged, timeline)
  return { timeline, spent, slow: slowOf(judged, spent, judge(judged)) }
}

const ms = Schema.Int.check(Schema.isBetween({ minimum: -5_000, maximum: 5_000 }))
const took = Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5_000 })))
const any = Schema.Struct({
  created: ms,
  changed: ms,
  processed: Schema.NullOr(ms),
  claim: Schema.NullOr(ms),
  attempts: Schema.Array(Schema.Struct({
    began: ms,
    ended: ms,
    due: Schema.NullOr(ms),
    outcome: Schema.Literals(["acked", "retry_scheduled", "lease_lost"]),
    loadMs: took,
    engineMs: took
  })).check(Schema.isMaxLength(4))
})

const well = (loadMs: number, engineMs: number) => ({ loadMs, engineMs })

type Line = readonly [cause: SlowCause | undefined, when: string, given: Given]

const table: ReadonlyArray<Line> = [
  [undefined, "it took 40 ms", {
    row: done(1_000, 960),
    details: { attempts: [attemptOf(990, 960, well(5, 20))] }
  }],
  [undefined, "a second was shared by many small parts", {
    row: done(1_200, 0),
    details: { attempts: [attemptOf(600, 0, well(100, 400))] }
  }],
  ["poll", "nobody looked for it", {
    row: done(9_000, 4_960),
    details: { attempts: [attemptOf(5_000, 4_960, well(5, 20))], ahead: 3 }
  }],
  ["poll", "nobody has looked for it yet", { row: { createdAt: ago(5_000) }, system: { workers: [] } }],
  ["backlog", "many were before it", {
    row: done(9_000, 4_960),
    details: { attempts: [attemptOf(5_000, 4_960, well(5, 20))], ahead: 100 }
  }],
  ["reclaim", "its worker was killed", {
    row: { ...done(40_000, 4_960), attempts: 2 },
    details: { attempts: [attemptOf(39_990, 9_000, lost), attemptOf(8_900, 8_860, { ...well(5, 20), attempt: 2 })] }
  }],
  ["reclaim", "its worker stands still now", { row: { createdAt: ago(40_000), claim: claimOf(39_990, -9_000) } }],
  ["engine_slow", "the engine took long", {
    row: done(9_000, 4_000),
    details: { attempts: [attemptOf(8_990, 4_000, well(5, 4_900))] }
  }],
  ["engine_throttled", "the engine was asked for too much", {
    row: { ...done(9_000, 4_000), attempts: 2 },
    details: {
      attempts: [
        attemptOf(8_990, 8_900, failed("es_429", 4_100)),
        attemptOf(4_050, 4_000, { ...well(5, 20), attempt: 2 })
      ]
    }
  }],
  ["engine_errors", "the engine failed", {
    row: { state: "waiting", attempts: 1, errorType: "es_503", dueAt: now + 5_000_000, createdAt: ago(9_000) },
    details: { attempts: [attemptOf(8_990, 8_000, failed("es_503", -5_000))] }
  }],
  ["engine_errors", "the engine failed, and what came after each failure is not anybody's being late", {
    row: { ...done(40_000, 4_000), attempts: 2 },
    details: {
      attempts: [
        attemptOf(39_000, 29_000, failed("timeout", 28_900)),
        attemptOf(4_050, 4_000, { ...well(5, 20), attempt: 2 })
      ]
    }
  }],
  ["poll", "it failed for a moment, was due again, and nobody looks for it now", {
    row: { state: "waiting", attempts: 1, errorType: "es_503", dueAt: ago(30_000), createdAt: ago(31_000) },
    details: { attempts: [attemptOf(30_990, 30_900, failed("es_503", 30_000))] },
    system: { workers: [] }
  }],
  ["replay", "it was dead until somebody replayed it", {
    row: { ...done(60_000, 4_000), attempts: 1 },
    details: {
      attempts: [
        attemptOf(59_990, 59_900, { outcome: "dead_lettered", errorType: "es_mapping" }),
        attemptOf(4_050, 4_000, well(5, 20))
      ]
    }
  }],
  ["poll", "it was replayed a while ago, and nobody looks for it", {
    row: { createdAt: ago(60_000), dueAt: ago(50_000), waitingSince: ago(50_000) },
    details: { attempts: [attemptOf(59_990, 59_900, { outcome: "dead_lettered", errorType: "es_mapping" })] },
    system: { workers: [] }
  }],
  ["blocked", "another batch has its lane", { row: { createdAt: ago(9_000), laneClaim: claimOf(9_000, 1_000) } }],
  ["paused", "its projection is paused", { row: { createdAt: ago(9_000) }, system: { pausedAt: ago(10_000) } }],
  ["breaker", "its destination refuses everything", {
    row: { createdAt: ago(9_000) },
    system: { breakers: [{ worker: "w1", state: "open", errorType: "es_503", detail: "", retryAt: now }] }
  }]
]

describe("why it took long", () => {
  for (const [cause, when, facts] of table) {
    it(`is ${cause ?? "not said"} when ${when}`, () => {
      const { slow } = told(facts)
      assert.strictEqual(slow?.cause, cause)
      if (slow === null) return
      assert.match(slow.sentence, /^It |^A worker |^The destination /)
      assert.notMatch(slow.sentence, /undefined|NaN|null/)
    })
  }

  it("is told with the figures that say so", () => {
    const attempts = [
      attemptOf(8_990, 8_900, failed("es_429", 4_100)),
      attemptOf(4_050, 4_000, { ...well(5, 20), attempt: 2 })
    ]
    const { slow } = told({
      row: { ...done(9_000, 4_000), attempts: 2 },
      details: { attempts, ahead: 2 },
      system: {
        failures: { throttled: 40, lost: 1, other: 2 },
        recent: { rows: 9, perSecond: 4.44, lagP50Ms: 1, lagP95Ms: 2, engineP50Ms: 30, engineP95Ms: 90 }
      }
    })
    assert.deepInclude(slow!.evidence, {
      ahead: 2,
      attempts_throttled: 1,
      attempts_lost: 0,
      throttled_lately: 40,
      lost_lately: 1,
      failed_lately: 2,
      rows_per_second: 4.4,
      engine_p50_ms: 30,
      poll_interval_ms: 1_000
    })
    assert.include(slow!.sentence, "429")
    assert.include(slow!.sentence, "4.9 s")
  })
})

it("does not blame the workers alone while attempts fail, which may be why nobody looked", () => {
  const { slow } = told({
    row: done(20_000, 4_960),
    details: { attempts: [attemptOf(5_000, 4_960, well(5, 20))] },
    system: { failures: { throttled: 2, lost: 0, other: 20 } }
  })
  assert.match(
    slow!.sentence,
    /22 attempts failed in the last 10 minutes, so its destination may have refused everything/
  )
})

describe("the timeline", () => {
  it("tells what was dead from what waits, and numbers what follows a replay anew", () => {
    const attempts = [
      attemptOf(8_990, 8_900, { attempt: 3, outcome: "dead_lettered", errorType: "es_mapping" }),
      attemptOf(4_050, 4_000, { ...well(10, 20), attempt: 1 })
    ]
    const { spent, timeline } = told({ row: done(9_000, 4_000), details: { attempts } })
    assert.deepStrictEqual(timeline.map(({ attempt, ms, stage }) => [stage, attempt, ms]), [
      ["queue", 3, 10],
      ["attempts", 3, 90],
      ["replay", 1, 4_850],
      ["load", 1, 10],
      ["engine", 1, 20],
      ["ack", 1, 20]
    ])
    assert.deepInclude(spent, { queue: 10, replay: 4_850 })
    const open = told({
      row: { createdAt: ago(9_000), dueAt: ago(500), claim: claimOf(100, 1_000) },
      details: { attempts: attempts.slice(0, 1) }
    }).timeline
    assert.deepStrictEqual(open.slice(-3).map(({ attempt, ms, stage }) => [stage, attempt, ms]), [
      ["replay", 1, 8_400],
      ["queue", 1, 400],
      ["attempts", 1, 100]
    ])
  })

  it("lays the parts of a success end to end", () => {
    const { spent, timeline } = told({
      row: { ...done(1_000, 100), requestId: "r-1" },
      entity: { changedAt: ago(1_005) },
      details: { attempts: [attemptOf(400, 100, well(50, 200))] },
      index: shown,
      engine: "postgres"
    })
    assert.deepStrictEqual(timeline.map(({ ms, offset_ms, stage }) => [stage, offset_ms, ms]), [
      ["commit", 0, 5],
      ["queue", 5, 600],
      ["load", 605, 50],
      ["engine", 655, 200],
      ["ack", 855, 50],
      ["refresh", 905, 0]
    ])
    assert.deepStrictEqual(spent, {
      api: null,
      commit: 5,
      queue: 600,
      attempts: 0,
      backoff: 0,
      replay: 0,
      load: 50,
      engine: 200,
      ack: 50,
      refresh: 0,
      total: 905
    })
  })

  it("tells back-off from queue, and what goes on", () => {
    const { timeline } = told({
      row: { state: "waiting", attempts: 1, errorType: "es_503", createdAt: ago(1_000), dueAt: ago(300) },
      details: { attempts: [attemptOf(900, 800, failed("es_503", 300))] }
    })
    assert.deepStrictEqual(timeline.map(({ ms, open, stage }) => [stage, ms, open]), [
      ["commit", 0, false],
      ["queue", 100, false],
      ["attempts", 100, false],
      ["backoff", 500, false],
      ["queue", 300, true]
    ])
    const leased = told({ row: { createdAt: ago(1_000), claim: claimOf(400, 1_000) } }).timeline
    assert.deepInclude(leased.at(-1), { stage: "attempts", ms: 400, open: true })
  })

  it("goes on until searches show what was written", () => {
    const { timeline } = told({
      row: done(1_000, 700),
      details: { attempts: [attemptOf(900, 700, well(1, 100))] },
      index: { stored: entry(1) }
    })
    assert.deepInclude(timeline.at(-1), { stage: "refresh", ms: 700, open: true })
  })

  it("reads a request's beginning from an id that the product made, and from no other", () => {
    assert.strictEqual(requestBegan("0191e6a4-7c00-7000-8000-000000000000"), 0x0191e6a47c00 * 1_000)
    for (const other of [null, "", "r-1", "0191e6a4-7c00-4000-8000-000000000000"]) {
      assert.isUndefined(requestBegan(other))
    }
  })

  it.prop("never overlaps, never goes back, and adds up, whatever the clocks say", { any }, ({ any }) => {
    const { attempts, changed, claim, created, processed } = any
    const { spent, timeline } = told({
      entity: { changedAt: ago(changed) },
      row: {
        createdAt: ago(created),
        ...(processed === null
          ? { claim: claim === null ? null : claimOf(claim, 1_000) }
          : { state: "done", processedAt: ago(processed) })
      },
      details: {
        attempts: attempts.map(({ began, due, ended, ...rest }, at) =>
          attemptOf(began, ended, { ...rest, attempt: at + 1, dueAt: due === null ? null : ago(due) })
        )
      }
    })
    let end = 0
    for (const segment of timeline) {
      assert.isAtLeast(segment.ms, 0)
      assert.isAtLeast(segment.offset_ms, end - 0.002)
      end = segment.offset_ms + segment.ms
    }
    const { total, ...parts } = spent
    const sum = Object.values(parts).reduce((all: number, each) => all + (each ?? 0), 0)
    assert.isAtMost(sum, total + 0.02)
  }, { arbitrary: { runs: 500 } })
})
