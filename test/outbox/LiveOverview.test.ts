/** Everyone who watches shares one look a second; nobody is kept by somebody else, and nothing is asked for nobody. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Exit, Fiber, Layer, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { LiveOverview, type Moment, viewersMax } from "../../src/outbox/LiveOverview.ts"
import { type Glance, OutboxOverview } from "../../src/outbox/OutboxOverview.ts"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import { StoreUnavailable } from "../../src/outbox/StoreUnavailable.ts"

const glance: Glance = { at: DateTime.makeUnsafe(0), projections: [], workers: [] }

/** A store that counts how often it is looked at, and fails while it is told to. */
const scripted = () => {
  const script = { looks: 0, fails: false, hangs: false }
  const overview = Layer.succeed(OutboxOverview, {
    look: Effect.suspend(() => {
      script.looks += 1
      return script.hangs
        ? Effect.never
        : script.fails
        ? Effect.fail(new StoreUnavailable({ cause: "away" }))
        : Effect.succeed(glance)
    })
  })
  const control = Layer.succeed(ProjectionControl, {
    pause: () => Effect.void,
    resume: () => Effect.void,
    tell: () => Effect.void,
    states: Effect.succeed([])
  })
  return { script, layer: LiveOverview.layer.pipe(Layer.provide([overview, control])) }
}

/** Somebody who watches: what was seen so far, and a way to leave. */
const watching = Effect.gen(function*() {
  const stream = yield* LiveOverview.use(({ watch }) => watch)
  assert.isDefined(stream)
  const seen = yield* Queue.unbounded<Moment>()
  const fiber = yield* Effect.forkChild(Stream.runForEach(stream, (moment) => Queue.offer(seen, moment)))
  return { fiber, next: Effect.map(Queue.take(seen), ({ _tag }) => _tag), leave: Fiber.interrupt(fiber) }
})

const viewers = LiveOverview.use((live) => live.viewers)

describe("the live overview", () => {
  it.effect("is looked at once a second however many watch, and not at all when nobody does", () =>
    Effect.gen(function*() {
      const { layer, script } = scripted()
      yield* Effect.gen(function*() {
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(script.looks, 0)
        const one = yield* watching
        assert.strictEqual(yield* one.next, "Seen")
        const other = yield* watching
        assert.strictEqual(yield* other.next, "Seen")
        assert.strictEqual(script.looks, 1)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([yield* one.next, yield* other.next], ["Seen", "Seen"])
        assert.strictEqual(script.looks, 2)
        yield* one.leave
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* other.next, "Seen")
        yield* other.leave
        assert.strictEqual(yield* viewers, 0)
        const before = script.looks
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(script.looks, before)
        const again = yield* watching
        assert.strictEqual(yield* again.next, "Seen")
      }).pipe(Effect.provide(layer))
    }))

  it.effect("says that the database does not answer, and goes on when it does", () =>
    Effect.gen(function*() {
      const { layer, script } = scripted()
      yield* Effect.gen(function*() {
        script.fails = true
        const one = yield* watching
        assert.strictEqual(yield* one.next, "Unavailable")
        Object.assign(script, { fails: false, hangs: true })
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual(yield* one.next, "Unavailable")
        script.hangs = false
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* one.next, "Seen")
      }).pipe(Effect.provide(layer))
    }))

  it.effect("is shown to so many, and to the next once one has left", () =>
    Effect.gen(function*() {
      const { layer } = scripted()
      yield* Effect.gen(function*() {
        const all = yield* Effect.forEach(Array.from({ length: viewersMax }), () => watching)
        yield* Effect.forEach(all, ({ next }) => next)
        assert.strictEqual(yield* viewers, viewersMax)
        assert.isUndefined(yield* LiveOverview.use(({ watch }) => watch))
        yield* all[0]!.leave
        assert.strictEqual(yield* (yield* watching).next, "Seen")
      }).pipe(Effect.provide(layer))
    }))

  it.effect("lets everybody go when the program stops, and nobody in again", () =>
    Effect.gen(function*() {
      const { layer } = scripted()
      yield* Effect.gen(function*() {
        const one = yield* watching
        yield* one.next
        yield* LiveOverview.use(({ dismiss }) => dismiss)
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(one.fiber)))
        assert.isUndefined(yield* LiveOverview.use(({ watch }) => watch))
      }).pipe(Effect.provide(layer))
    }))
})
