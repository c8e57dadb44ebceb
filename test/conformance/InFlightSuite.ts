/** What every store promises to whoever waits for the batches that workers have begun. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { InFlight } from "../../src/outbox/InFlight.ts"
import type { Leases } from "../../src/outbox/Leases.ts"
import type { Outbox } from "../../src/outbox/Outbox.ts"
import type { Transaction } from "../../src/outbox/Transaction.ts"
import { type Backstage, fresh, passTime } from "../support/Backstage.ts"
import { claim, commitMany, done, idsOf, settle } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Backstage | InFlight | Leases | Outbox | Transaction

const ended = InFlight.use(({ ended }) => ended("search"))
const isOver = <A, E>(fiber: Fiber.Fiber<A, E>) => fiber.pollUnsafe() !== undefined

const waiting = <R>(wait: Effect.Effect<void, never, R>) => (it: Vitest.MethodsNonLive<Needs | R>) => {
  it.effect("is over at once where nothing is in flight, whatever waits", () =>
    Effect.gen(function*() {
      yield* ended
      yield* commitMany(3)
      yield* claim({ projection: "chronicle" })
      yield* ended
    }).pipe(fresh))

  it.effect("lasts until the batches that were claimed before have ended, and no longer", () =>
    Effect.gen(function*() {
      yield* commitMany(2, 1)
      const first = yield* claim()
      const fiber = yield* Effect.forkChild(ended)
      yield* wait
      assert.isFalse(isOver(fiber))
      yield* commitMany(1, 2)
      const later = yield* claim()
      assert.lengthOf(later.deliveries, 1)
      yield* settle(first, done(idsOf(first)[0]!))
      yield* wait
      assert.isFalse(isOver(fiber))
      yield* settle(first, done(idsOf(first)[1]!))
      yield* wait
      yield* Fiber.join(fiber)
    }).pipe(fresh))

  it.effect("does not wait for whoever has lost its lease", () =>
    Effect.gen(function*() {
      yield* commitMany(1)
      yield* claim()
      const fiber = yield* Effect.forkChild(ended)
      yield* wait
      assert.isFalse(isOver(fiber))
      yield* passTime("31 seconds")
      yield* wait
      yield* Fiber.join(fiber)
    }).pipe(fresh))
}

/** `wait`: as long as a look takes and the wait before it, by whichever clock the store has. */
export const suite = <R>(wait: Effect.Effect<void, never, R>) => suiteOf<Needs | R>("InFlight", [waiting(wait)])
