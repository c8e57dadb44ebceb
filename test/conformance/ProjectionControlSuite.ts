/** What every store promises of pausing a projection, and of telling which workers cannot deliver. */
import { assert, layer, type Vitest } from "@effect/vitest"
import { DateTime, Effect, type Layer } from "effect"
import type { Heartbeats } from "../../src/outbox/Heartbeats.ts"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import { type BreakerNote, ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import * as Changes from "../support/Changes.ts"

const { changeOf, claim, claimAlone, commit, commitMany, done, extend, idsOf, retry, settle } = Changes

type Needs = Heartbeats | Leases | Outbox | ProjectionControl | Transaction | Backstage
type It<R = never> = Vitest.MethodsNonLive<Needs | R>

/** Lets workers of these names be alive. */
type Hire<R> = (...workers: ReadonlyArray<string>) => Effect.Effect<void, never, R>

const pause = (projection: Projection, reason: string | null = null) =>
  ProjectionControl.use((control) => control.pause(projection, reason))
const resume = (projection: Projection) => ProjectionControl.use((control) => control.resume(projection))
const tell = (worker: string, note: BreakerNote | null, projection: Projection = "search") =>
  ProjectionControl.use((control) => control.tell(projection, worker, note))
const states = ProjectionControl.use((control) => control.states)
const stateOf = (projection: Projection) =>
  Effect.map(states, (all) => all.find((state) => state.projection === projection)!)

const open: BreakerNote = { state: "open", errorType: "es_unavailable", detail: "no node answered", retryInMs: 30_000 }

const pausing = (it: It) => {
  it.effect("shows every projection as going on until one is paused, and of that since when and why", () =>
    Effect.gen(function*() {
      const going = { pausedAt: null, pausedReason: null, breakers: [] }
      const projections = ["search", "chronicle", "realtime"] as const
      assert.deepStrictEqual(yield* states, projections.map((projection) => ({ projection, ...going })))
      yield* pause("chronicle", "moving the archive")
      const paused = yield* stateOf("chronicle")
      assert.strictEqual(paused.pausedReason, "moving the archive")
      assert.strictEqual(DateTime.formatIso(DateTime.makeUnsafe(paused.pausedAt!)), paused.pausedAt)
      assert.deepInclude(yield* stateOf("search"), going)
    }).pipe(fresh))

  it.effect("keeps the first time and reason when it is paused twice", () =>
    Effect.gen(function*() {
      yield* pause("search", "the first")
      const before = yield* stateOf("search")
      yield* pause("search", "the second")
      assert.deepStrictEqual(yield* stateOf("search"), before)
      yield* resume("search")
      assert.deepInclude(yield* stateOf("search"), { pausedAt: null, pausedReason: null })
      yield* pause("search")
      assert.strictEqual((yield* stateOf("search")).pausedReason, null)
      assert.isString((yield* stateOf("search")).pausedAt)
    }).pipe(fresh))

  it.effect("takes a resume of what is not paused for granted", () =>
    Effect.gen(function*() {
      yield* resume("realtime")
      assert.deepInclude(yield* stateOf("realtime"), { pausedAt: null, pausedReason: null })
    }).pipe(fresh))

  it.effect("keeps a reason that is too long as far as it fits, and takes an empty one for none", () =>
    Effect.gen(function*() {
      yield* pause("search", `${"x".repeat(300)}\0\ud800`)
      assert.strictEqual((yield* stateOf("search")).pausedReason, `${"x".repeat(255)}…`)
      yield* resume("search")
      yield* pause("search", " \0 ")
      assert.deepInclude(yield* stateOf("search"), { pausedReason: null })
    }).pipe(fresh))
}

const claiming = (it: It) => {
  it.effect("gives no row of a paused projection to anybody, and goes on where it was when it is resumed", () =>
    Effect.gen(function*() {
      yield* commitMany(5)
      yield* pause("search")
      for (const worker of ["w1", "w2"]) assert.deepStrictEqual(idsOf(yield* claim({ worker })), [])
      assert.deepStrictEqual(idsOf(yield* claimAlone()), [])
      yield* commit(changeOf())
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      yield* resume("search")
      assert.lengthOf(idsOf(yield* claim()), 6)
    }).pipe(fresh))

  it.effect("lets the other projections go on", () =>
    Effect.gen(function*() {
      yield* pause("search")
      yield* commitMany(3)
      const batch = yield* claim({ projection: "chronicle" })
      assert.lengthOf(batch.deliveries, 3)
      assert.lengthOf(yield* settle(batch, ...idsOf(batch).map(done)), 3)
      assert.deepStrictEqual(idsOf(yield* claim()), [])
    }).pipe(fresh))

  it.effect("lets what is in flight be held on to and settled, but not be tried again", () =>
    Effect.gen(function*() {
      yield* commitMany(2)
      const batch = yield* claim()
      const [one, other] = idsOf(batch) as [number, number]
      yield* pause("search")
      assert.sameMembers([...(yield* extend(batch))], [one, other])
      assert.sameMembers(yield* settle(batch, done(one), retry(other)), [one, other])
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      yield* resume("search")
      assert.deepStrictEqual(idsOf(yield* claim()), [other])
    }).pipe(fresh))

  it.effect("frees the rows of a worker that died meanwhile, for when it is resumed", () =>
    Effect.gen(function*() {
      yield* commit(changeOf())
      const lost = idsOf(yield* claim())
      yield* pause("search")
      yield* passTime("31 seconds")
      assert.deepStrictEqual((yield* Changes.reclaim()).map(({ id }) => id), lost)
      assert.deepStrictEqual(idsOf(yield* claim()), [])
      yield* resume("search")
      assert.deepStrictEqual(idsOf(yield* claim()), lost)
    }).pipe(fresh))
}

const telling = <R>(hire: Hire<R>) => (it: It<R>) => {
  it.effect("shows what each worker told last, until it tells that all is well", () =>
    Effect.gen(function*() {
      yield* hire("w1", "w2")
      yield* tell("w2", open)
      yield* tell("w1", open)
      yield* tell("w1", { ...open, state: "half_open", retryInMs: 0 })
      yield* tell("w1", { ...open, errorType: "append_timeout" }, "chronicle")
      const [one, other] = (yield* stateOf("search")).breakers
      assert.deepInclude(one, { worker: "w1", state: "half_open" })
      assert.deepInclude(other, {
        worker: "w2",
        state: "open",
        errorType: "es_unavailable",
        detail: "no node answered"
      })
      const wait = Date.parse(other!.retryAt) - Date.parse(one!.retryAt)
      assert.closeTo(wait, 30_000, 20_000)
      assert.deepStrictEqual((yield* stateOf("chronicle")).breakers.map(({ errorType }) => errorType), [
        "append_timeout"
      ])
      yield* tell("w1", null)
      yield* tell("w1", null)
      assert.deepStrictEqual((yield* stateOf("search")).breakers.map(({ worker }) => worker), ["w2"])
      assert.lengthOf((yield* stateOf("chronicle")).breakers, 1)
    }).pipe(fresh))

  it.effect("forgets a breaker of which nothing was heard long after its next try", () =>
    Effect.gen(function*() {
      yield* hire("w1", "w2")
      yield* tell("w1", open)
      yield* tell("w2", { ...open, retryInMs: 900_000 })
      yield* passTime("10 minutes")
      assert.lengthOf((yield* stateOf("search")).breakers, 2)
      yield* passTime("1 minute")
      assert.deepStrictEqual((yield* stateOf("search")).breakers.map(({ worker }) => worker), ["w2"])
      yield* tell("w1", open)
      assert.lengthOf((yield* stateOf("search")).breakers, 2)
    }).pipe(fresh))

  it.effect("takes any text and any wait, and keeps what fits", () =>
    Effect.gen(function*() {
      yield* hire("w1")
      const notes: ReadonlyArray<Partial<BreakerNote>> = [
        { errorType: "e\0".repeat(500), detail: "\ud800\0'; --".repeat(10_000) },
        { retryInMs: Number.MAX_VALUE },
        { retryInMs: Number.NaN },
        { retryInMs: -1e300 },
        { errorType: "", detail: "" }
      ]
      for (const note of notes) {
        yield* tell("w1", { ...open, ...note })
        const [breaker] = (yield* stateOf("search")).breakers
        assert.isAtMost(breaker!.errorType.length, 64)
        assert.isAtMost(breaker!.detail.length, 256)
        assert.notMatch(breaker!.detail, /\0/)
      }
    }).pipe(fresh))

  it.effect("shows breakers of a paused projection too", () =>
    Effect.gen(function*() {
      yield* hire("w1")
      yield* pause("search", "the engine is down")
      yield* tell("w1", open)
      const state = yield* stateOf("search")
      assert.strictEqual(state.pausedReason, "the engine is down")
      assert.lengthOf(state.breakers, 1)
    }).pipe(fresh))
}

export const suite = <E, R = never>(options: {
  readonly name: string
  readonly layer: Layer.Layer<Needs | R, E>
  readonly hire: Hire<R>
  /** The store runs by the real clock. */
  readonly excludeTestServices?: boolean
}) =>
  layer(options.layer, { excludeTestServices: options.excludeTestServices ?? false })(
    `ProjectionControl (${options.name})`,
    (it) => {
      pausing(it)
      claiming(it)
      telling(options.hire)(it)
    }
  )
