/** P-07: whatever came of a delivery, what becomes of its row is decided, and decided the same every time. */
import { assert, describe, it } from "@effect/vitest"
import { Schema, Struct } from "effect"
import { decide, inOrder, type Outcome } from "../../src/delivery/Settlement.ts"
import { ceilingMs } from "../../src/domain/Backoff.ts"
import { errorTypes, reasonOf, retryReasons } from "../../src/outbox/ErrorType.ts"
import type { Settlement } from "../../src/outbox/Leases.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const any = {
  row: Schema.Struct({ id: between(1, Number.MAX_SAFE_INTEGER), attempt: between(1, 1_000) }),
  policy: Schema.Struct({
    attemptsMax: between(1, 100),
    backoff: Schema.Struct({ baseMs: between(1, 1_000), capMs: between(1, 60_000) })
  }),
  failure: Schema.Struct({
    class: Schema.Literals(["transient", "throttled", "configuration", "poison"]),
    errorType: Schema.Literals(errorTypes),
    detail: Schema.String,
    retryAfterMs: Schema.optionalKey(between(0, 3_600_000))
  }),
  jitter: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
}
const check = { arbitrary: { runs: 500 } }

describe("a settlement", () => {
  it.prop("is the same for the same row, outcome and jitter", any, ({ failure, jitter, policy, row }) => {
    const outcome: Outcome = { _tag: "Failed", failure }
    assert.deepStrictEqual(decide(row, outcome, policy, jitter), decide({ ...row }, { ...outcome }, policy, jitter))
    assert.strictEqual(decide(row, outcome, policy, jitter).id, row.id)
  }, check)

  it.prop("is a burial for poison at once, and never for what is only configured wrongly", any, (given) => {
    const { failure, jitter, policy, row } = given
    const as = (failureClass: "poison" | "configuration") =>
      decide(row, { _tag: "Failed", failure: { ...failure, class: failureClass } }, policy, jitter)._tag
    assert.strictEqual(as("poison"), "Dead")
    assert.strictEqual(as("configuration"), "Release")
  }, check)

  it.prop("takes no attempt, and never is a burial, for a failure that is not the row's own", any, (given) => {
    const { failure, jitter, policy, row } = given
    const settlement = decide(row, { _tag: "Failed", failure }, policy, jitter, false)
    assert.strictEqual(settlement._tag, failure.class === "poison" ? "Dead" : "Release")
  }, check)

  it.prop("is a burial for what may pass only once its attempts are spent", any, ({ failure, jitter, policy, row }) => {
    for (const failureClass of ["transient", "throttled"] as const) {
      const settlement = decide(row, { _tag: "Failed", failure: { ...failure, class: failureClass } }, policy, jitter)
      assert.strictEqual(settlement._tag, row.attempt >= policy.attemptsMax ? "Dead" : "Retry")
    }
  }, check)

  it.prop("says why, and waits within its bounds", any, ({ failure, jitter, policy, row }) => {
    const settlement = decide(row, { _tag: "Failed", failure }, policy, jitter)
    const why = settlement._tag === "Release" ? settlement.why : settlement
    assert.deepInclude(why, { errorType: failure.errorType, detail: failure.detail })
    if (settlement._tag !== "Retry" && settlement._tag !== "Release") return
    const floor = failure.retryAfterMs ?? 0
    assert.isAtLeast(settlement.delayMs, floor)
    assert.isAtMost(settlement.delayMs, floor + ceilingMs(policy.backoff, row.attempt))
  }, check)

  it.prop("neither waits nor buries when nothing failed", any, ({ jitter, policy, row }) => {
    const settled = (outcome: Outcome) => decide(row, outcome, policy, jitter)
    assert.deepStrictEqual(settled({ _tag: "Written" }), { _tag: "Done", id: row.id, outcome: "acked" })
    assert.deepStrictEqual(settled({ _tag: "Superseded" }), { _tag: "Done", id: row.id, outcome: "superseded" })
    assert.deepStrictEqual(settled({ _tag: "Interrupted" }), { _tag: "Release", id: row.id, delayMs: 0, why: null })
  }, check)
})

describe("the settlements of an ordered projection", () => {
  const settlement = Schema.Struct({
    entity: between(1, 3),
    tag: Schema.Literals(["Done", "Retry", "Release", "Dead"]),
    delayMs: between(0, 60_000)
  })
  const asRow = ({ delayMs, entity, tag }: typeof settlement.Type, at: number) => {
    const id = at + 1
    const [errorType, detail] = ["es_503", "no shards"] as const
    const settlements: Readonly<Record<typeof tag, Settlement>> = {
      Done: { _tag: "Done", id, outcome: "acked" },
      Retry: { _tag: "Retry", id, delayMs, errorType, detail },
      Release: { _tag: "Release", id, delayMs, why: null },
      Dead: { _tag: "Dead", id, errorType, detail }
    }
    return { delivery: { entityId: `e-${entity}` }, settlement: settlements[tag] }
  }
  const delayOf = ({ settlement }: ReturnType<typeof asRow>) =>
    settlement._tag === "Retry" || settlement._tag === "Release" ? settlement.delayMs : undefined

  it.prop("let no row come back before an earlier one of its entity, nor sooner than it should", {
    given: Schema.Array(settlement).check(Schema.isMaxLength(12))
  }, ({ given }) => {
    const rows = given.map(asRow)
    const after = inOrder(rows)
    for (const entity of new Set(rows.map(({ delivery }) => delivery.entityId))) {
      const of = (all: typeof after) =>
        all.filter(({ delivery }) => delivery.entityId === entity).flatMap((row) => delayOf(row) ?? [])
      const before = of(rows)
      assert.deepStrictEqual(of(after), before.map((_, at) => Math.max(...before.slice(0, at + 1))))
    }
    assert.deepStrictEqual(after.map(({ settlement }) => settlement._tag), given.map(({ tag }) => tag))
    assert.deepStrictEqual(after.map(({ settlement }) => settlement.id), rows.map(({ settlement }) => settlement.id))
  }, check)
})

describe("the reason of a retry", () => {
  const examples = {
    es_429: "429",
    es_503: "5xx",
    es_5xx: "5xx",
    es_4xx: "4xx",
    timeout: "timeout",
    es_connect: "es_connect",
    bus_unavailable: "bus_unavailable"
  } as const
  for (const errorType of Struct.keys(examples)) {
    const reason = examples[errorType]
    it(`is ${reason} for ${errorType}`, () => assert.strictEqual(reasonOf(errorType), reason))
  }

  it("is one of its list, whatever failed", () => {
    assert.sameMembers([...new Set(errorTypes.map(reasonOf))], [...retryReasons])
  })
})
