/** A far side that refuses everything is left alone, and whatever happened meanwhile, it is asked again and heard. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Breaker from "../../src/delivery/Breaker.ts"
import type { Failure, FailureClass } from "../../src/delivery/Failure.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const policy = Schema.Struct({ failuresMax: between(1, 5), firstMs: between(1, 5_000), capMs: between(1, 60_000) })

const why: Failure = { class: "transient", errorType: "es_503", detail: "HTTP 503" }
const failures: ReadonlyArray<Failure> = [
  why,
  { class: "transient", errorType: "timeout", detail: "no answer" },
  { class: "throttled", errorType: "es_429", detail: "HTTP 429", retryAfterMs: 30_000 },
  { class: "throttled", errorType: "es_429", detail: "HTTP 429", retryAfterMs: 3_600_000 },
  { class: "configuration", errorType: "es_auth", detail: "HTTP 401" },
  { class: "poison", errorType: "es_too_large", detail: "HTTP 413" }
]
const passed = [0, 1, 40, 1_500, 20_000, 80_000, 1_200_000]
const ends = ["answered", "refused", "refused", "refused", "refused", "given up", "lost"] as const
const slots = [0, 1, 2, 3]
const jitters = [0, 0.3, 1]

/** A slot that is idle asks; one that has claimed ends its batch. `lost`: its fiber never says how. */
interface Turn {
  readonly slot: number
  readonly passMs: number
  readonly end: typeof ends[number]
  readonly failure: Failure
  readonly jitter: number
}

/** One number per turn: a struct of its parts takes Arbitrary many times as long. */
const turnOf = (number: number): Turn => {
  let rest = number
  const pick = <A>(choices: ReadonlyArray<A>): A => {
    const choice = choices[rest % choices.length]!
    rest = Math.floor(rest / choices.length)
    return choice
  }
  return { slot: pick(slots), passMs: pick(passed), end: pick(ends), failure: pick(failures), jitter: pick(jitters) }
}
const turnsMax = slots.length * passed.length * ends.length * failures.length * jitters.length
/** Long enough for a breaker to close and open again around a probe; left alone, most would have two or three turns. */
const turns = Schema.Array(between(0, turnsMax - 1)).check(Schema.isMinLength(60), Schema.isMaxLength(80))
const given = { policy, turns }
const check = { arbitrary: { runs: 150 } }

interface Step {
  readonly before: Breaker.Breaker
  readonly after: Breaker.Breaker
  readonly now: number
  /** What the slot had asked under; `undefined` when it asks now. */
  readonly under: Breaker.Breaker | undefined
  readonly permit: Breaker.Permit | undefined
  readonly turn: Turn
}

/** One worker's slots around one breaker. */
const history = (turns: ReadonlyArray<number>, policy: Breaker.BreakerPolicy): ReadonlyArray<Step> => {
  const held = new Map<number, Breaker.Breaker>()
  let breaker = Breaker.closed
  let now = 0
  const after = ({ end, failure, jitter }: Turn, under: Breaker.Breaker) => {
    if (end === "lost") return breaker
    if (end === "given up") return Breaker.giveUpProbe(breaker, now, under)
    const batchEnd: Breaker.BatchEnd = end === "answered"
      ? { _tag: "Answered" }
      : { _tag: "Refused", failure, under }
    return Breaker.note(breaker, batchEnd, now, policy, jitter)
  }
  return turns.map(turnOf).map((turn) => {
    now += turn.passMs
    const before = breaker
    const under = held.get(turn.slot)
    if (under !== undefined) {
      held.delete(turn.slot)
      breaker = after(turn, under)
      return { before, after: breaker, now, under, permit: undefined, turn }
    }
    const asked = Breaker.ask(breaker, now)
    breaker = asked.breaker
    if (typeof asked.permit === "string") held.set(turn.slot, breaker)
    return { before, after: breaker, now, under, permit: asked.permit, turn }
  })
}

const whole = ({ end, failure }: Turn) => end === "refused" && failure.class !== "poison"
const isProbe = ({ before, under }: Step) =>
  before._tag === "HalfOpen" && under?._tag === "HalfOpen" && under.since === before.since

const refused = (failure: Partial<Failure> = {}, under = Breaker.closed): Breaker.Refused => ({
  _tag: "Refused",
  failure: { ...why, ...failure },
  under
})
const open: Breaker.Breaker = { _tag: "Open", until: 1_500, openings: 1, why }
const halfOpen: Breaker.Breaker = { _tag: "HalfOpen", since: 1_500, openings: 1, why }
const usual = Breaker.breakerPolicy

describe("a breaker", () => {
  it.prop("lets all be claimed only while it is closed", given, ({ policy, turns }) => {
    for (const { before, permit } of history(turns, policy)) {
      if (permit !== undefined) assert.strictEqual(permit === "all", before._tag === "Closed")
    }
  }, check)

  it.prop("lets one slot probe, and no second until the first has ended or was lost", given, ({ policy, turns }) => {
    const starts: Array<number> = []
    for (const { after, before, now, permit } of history(turns, policy)) {
      if (permit !== "probe") continue
      if (before._tag === "Open") assert.isAtLeast(now, before.until)
      else assert.isTrue(before._tag === "HalfOpen" && now - before.since >= Breaker.probeMaxMs)
      assert.deepInclude(after, { _tag: "HalfOpen", since: now })
      starts.push(now)
    }
    assert.strictEqual(new Set(starts).size, starts.length, "a start names its probe")
  }, check)

  it.prop("is closed by any answer, and by a refusal of what only this batch held", given, ({ policy, turns }) => {
    for (const { after, turn, under } of history(turns, policy)) {
      const answered = turn.end === "answered" || (turn.end === "refused" && turn.failure.class === "poison")
      if (under !== undefined && answered) assert.deepStrictEqual(after, Breaker.closed)
    }
  }, check)

  it.prop("once open, is moved by no refusal but its probe's", given, ({ policy, turns }) => {
    for (const step of history(turns, policy)) {
      if (step.under === undefined || !whole(step.turn) || step.before._tag === "Closed") continue
      if (!isProbe(step)) assert.strictEqual(step.after, step.before)
      else assert.deepInclude(step.after, { _tag: "Open", openings: step.before.openings + 1, why: step.turn.failure })
    }
  }, check)

  it.prop("opens after as many refusals in a row as it may, at once for a wrong configuration", given, (given) => {
    let inARow = 0
    for (const { after, before, turn, under } of history(given.turns, given.policy)) {
      if (after === Breaker.closed) inARow = 0
      if (under === undefined || !whole(turn) || before._tag !== "Closed") continue
      inARow++
      const opens = inARow >= given.policy.failuresMax || turn.failure.class === "configuration"
      if (opens) assert.deepInclude(after, { _tag: "Open", openings: 1, why: turn.failure })
      else assert.deepStrictEqual(after, { _tag: "Closed", failures: inARow })
    }
  }, check)

  it.prop("waits as long as it must, a quarter longer at most", given, ({ policy, turns }) => {
    for (const { after, before, now, turn } of history(turns, policy)) {
      if (after._tag !== "Open" || after === before || turn.end !== "refused") continue
      const backoff = Math.min(policy.capMs, policy.firstMs * 2 ** (after.openings - 1))
      const floor = Math.max(backoff, Math.min(after.why.retryAfterMs ?? 0, Breaker.retryAfterMaxMs))
      assert.isAtLeast(after.until - now, floor)
      assert.isAtMost(after.until - now, Math.ceil(floor * 1.25))
    }
  }, check)

  it.prop("tells a slot to wait a while that ends", given, ({ policy, turns }) => {
    for (const { after, before, permit } of history(turns, policy)) {
      if (typeof permit !== "object") continue
      assert.strictEqual(after, before)
      assert.isAtLeast(permit.waitMs, 1)
      assert.isAtMost(permit.waitMs, Breaker.retryAfterMaxMs * 1.25)
    }
  }, check)

  it.prop("closes once every request is answered, though every batch in flight was lost", given, (given) => {
    const last = history(given.turns, given.policy).at(-1)
    let breaker = last?.after ?? Breaker.closed
    const from = last?.now ?? 0
    let now = from
    const asksMax = 2 + Breaker.probeMaxMs / 100
    for (let asks = 0; asks < asksMax && breaker !== Breaker.closed; asks++) {
      const asked = Breaker.ask(breaker, now)
      breaker = asked.breaker
      if (typeof asked.permit === "object") now += asked.permit.waitMs
      else breaker = Breaker.note(breaker, { _tag: "Answered" }, now, given.policy, 0)
    }
    assert.strictEqual(breaker, Breaker.closed)
    assert.isAtMost(now - from, Breaker.retryAfterMaxMs * 1.25)
  }, check)

  it.prop("gives a probe that was given up to the next, and only once", given, ({ policy, turns }) => {
    for (const { after, now } of history(turns, policy)) {
      if (after._tag !== "HalfOpen") continue
      const free = Breaker.giveUpProbe(after, now, after)
      const next = Breaker.ask(free, now + 1)
      assert.strictEqual(next.permit, "probe")
      assert.strictEqual(Breaker.giveUpProbe(next.breaker, now + 1, after), next.breaker)
      assert.deepInclude(next.breaker, { openings: after.openings, why: after.why })
    }
  }, check)

  it.prop("is not changed by giving up what is no probe, or was noted", given, ({ policy, turns }) => {
    for (const step of history(turns, policy)) {
      const noted = step.turn.end === "answered" || step.turn.end === "refused"
      if (step.under === undefined || (isProbe(step) && !noted)) continue
      assert.strictEqual(Breaker.giveUpProbe(step.after, step.now, step.under), step.after)
    }
  }, check)

  it.prop("counts what leads to an opening and what was the batch's own fault", given, ({ policy, turns }) => {
    for (const { before, turn: { end, failure }, under } of history(turns, policy)) {
      if (under === undefined || end !== "refused") continue
      const expected: Record<FailureClass, boolean> = {
        poison: true,
        configuration: false,
        transient: before._tag === "Closed" && under._tag === "Closed",
        throttled: before._tag === "Closed" && under._tag === "Closed"
      }
      assert.strictEqual(Breaker.counts(before, { _tag: "Refused", failure, under }), expected[failure.class])
    }
  }, check)

  it.prop("costs no row more attempts than there are refusals to an opening", given, ({ policy, turns }) => {
    let counted = 0
    for (const { after, before, turn, under } of history(turns, policy)) {
      if (after === Breaker.closed) counted = 0
      if (under === undefined || !whole(turn)) continue
      if (Breaker.counts(before, { _tag: "Refused", failure: turn.failure, under })) counted++
      assert.isAtMost(counted, policy.failuresMax)
    }
  }, check)

  it("doubles its wait with every probe that is refused, up to the cap", () => {
    let breaker: Breaker.Breaker = { _tag: "Closed", failures: 4 }
    const waits: Array<number> = []
    for (let now = 0; waits.length < 9;) {
      breaker = Breaker.note(breaker, refused({}, breaker), now, usual, 0)
      assert(breaker._tag === "Open")
      waits.push(breaker.until - now)
      now = breaker.until
      breaker = Breaker.ask(breaker, now).breaker
    }
    assert.deepStrictEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
  })

  it("waits for the far side's own word, and no longer than a quarter of an hour for it", () => {
    const untilFor = (retryAfterMs: number, jitter: number) => {
      const breaker = Breaker.note({ _tag: "Closed", failures: 4 }, refused({ retryAfterMs }), 0, usual, jitter)
      return breaker._tag === "Open" ? breaker.until : undefined
    }
    assert.strictEqual(untilFor(30_000, 0), 30_000)
    assert.strictEqual(untilFor(30_000, 1), 37_500)
    assert.strictEqual(untilFor(3_600_000, 0), 900_000)
    assert.strictEqual(untilFor(10, 0), 1_000)
  })

  it("lets a second slot wait for the probe of the first", () => {
    const first = Breaker.ask(open, 1_500)
    assert.deepStrictEqual(first, { breaker: halfOpen, permit: "probe" })
    assert.deepStrictEqual(Breaker.ask(first.breaker, 1_500), { breaker: first.breaker, permit: { waitMs: 100 } })
  })

  it("is free to probe after the whole milliseconds that it tells a slot to wait", () => {
    assert.deepStrictEqual(Breaker.ask(open, 1_000.4), { breaker: open, permit: { waitMs: 500 } })
    assert.strictEqual(Breaker.ask(open, 1_500.4).permit, "probe")
  })

  it("does not hear a probe that was given up twice as the one that followed it at once", () => {
    const free = Breaker.giveUpProbe(halfOpen, 1_500, halfOpen)
    assert.deepStrictEqual(Breaker.ask(free, 1_500), { breaker: free, permit: { waitMs: 1 } })
    const next = Breaker.ask(free, 1_501).breaker
    assert.strictEqual(Breaker.giveUpProbe(next, 1_501, halfOpen), next)
  })

  it("tells a late end of a lost probe from the probe that followed it", () => {
    const second = Breaker.ask(halfOpen, 1_500 + Breaker.probeMaxMs)
    assert.strictEqual(second.permit, "probe")
    assert.strictEqual(Breaker.note(second.breaker, refused({}, halfOpen), 1e9, usual, 0), second.breaker)
    assert.strictEqual(Breaker.giveUpProbe(second.breaker, 1e9, halfOpen), second.breaker)
  })

  it("is shown with its reason and what is left of its wait", () => {
    const because = { error_type: "es_503", detail: "HTTP 503" }
    const unknown = { error_type: null, detail: null, retry_in_ms: null }
    assert.deepStrictEqual(Breaker.describe(Breaker.closed, 0), { state: "closed", ...unknown })
    assert.deepStrictEqual(Breaker.describe(open, 900.5), { state: "open", ...because, retry_in_ms: 600 })
    assert.deepStrictEqual(Breaker.describe(open, 9_000), { state: "open", ...because, retry_in_ms: 0 })
    assert.deepStrictEqual(Breaker.describe(halfOpen, 1_600), { state: "half_open", ...because, retry_in_ms: 0 })
  })
})
