/** What every store promises to who repeats a request under its key. */
import { assert, type Vitest } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import { EntityStore } from "../../src/catalog/EntityStore.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { Idempotency } from "../../src/idempotency/Idempotency.ts"
import { type Backstage, fresh } from "../support/Backstage.ts"
import { newId } from "../support/Changes.ts"
import { suiteOf } from "./Suite.ts"

type Needs = Idempotency | EntityStore | Backstage
type It = Vitest.MethodsNonLive<Needs>

const Answer = Schema.toCodecJson(
  Schema.Struct({ turn: Schema.Int, at: Schema.DateTimeUtc, none: Schema.NullOr(Schema.String) })
)

/** An effect that writes, and answers how often it has run. */
const counting = () => {
  let turn = 0
  const written: Array<EntityId> = []
  const effect = Effect.gen(function*() {
    turn++
    const [id, store] = [newId(), yield* EntityStore]
    yield* store.insert("library", [{ id, fields: { name: `written in turn ${turn}` } }])
    written.push(id)
    return { turn, at: DateTime.makeUnsafe(1_700_000_000_123), none: null }
  })
  return { effect, written }
}

const once = <A, I, E, R>(
  key: string | undefined,
  said: string,
  answer: Schema.Codec<A, I>,
  effect: Effect.Effect<A, E, R>
) => Idempotency.use((idempotency) => idempotency.once({ key, said }, answer, effect))

const exists = (id: EntityId) => EntityStore.use((store) => Effect.isSuccess(store.get("library", id)))

const keys = (it: It) => {
  it.effect("runs a request once and gives its first answer again", () =>
    Effect.gen(function*() {
      const { effect, written } = counting()
      const first = yield* once("k", "a", Answer, effect)
      const again = yield* once("k", "a", Answer, effect)
      assert.strictEqual(first.turn, 1)
      assert.deepStrictEqual(again, first)
      assert.strictEqual(written.length, 1)
      assert.isTrue(yield* exists(written[0]!))
    }).pipe(fresh))

  it.effect("runs requests of different keys each for itself", () =>
    Effect.gen(function*() {
      const { effect } = counting()
      yield* once("k", "a", Answer, effect)
      assert.strictEqual((yield* once("l", "a", Answer, effect)).turn, 2)
    }).pipe(fresh))

  it.effect("refuses a key that was used for another request", () =>
    Effect.gen(function*() {
      const { effect, written } = counting()
      yield* once("k", "a", Answer, effect)
      assert.deepInclude(yield* Effect.flip(once("k", "b", Answer, effect)), { _tag: "KeyReused", key: "k" })
      assert.strictEqual(written.length, 1)
      assert.strictEqual((yield* once("k", "a", Answer, effect)).turn, 1)
    }).pipe(fresh))

  it.effect("remembers no failure, and nothing of what had failed", () =>
    Effect.gen(function*() {
      const { effect, written } = counting()
      for (const end of [Effect.fail("refused"), Effect.die("broken")]) {
        assert.strictEqual((yield* Effect.exit(once("k", "a", Answer, Effect.andThen(effect, end))))._tag, "Failure")
        assert.isFalse(yield* exists(written.at(-1)!))
      }
      assert.strictEqual((yield* once("k", "another request", Answer, effect)).turn, 3)
    }).pipe(fresh))

  it.effect("runs one of many that come at once, and gives all the same answer", () =>
    Effect.gen(function*() {
      const { effect, written } = counting()
      const all = Array.from({ length: 6 }, () => once("k", "a", Answer, effect))
      const answers = yield* Effect.all(all, { concurrency: "unbounded" })
      assert.deepStrictEqual(answers.map(({ turn }) => turn), [1, 1, 1, 1, 1, 1])
      assert.strictEqual(written.length, 1)
    }).pipe(fresh))

  it.effect("only runs what has no key", () =>
    Effect.gen(function*() {
      let turn = 0
      const effect = Effect.sync(() => ++turn)
      assert.strictEqual(yield* once(undefined, "a", Schema.Int, effect), 1)
      assert.strictEqual(yield* once(undefined, "a", Schema.Int, effect), 2)
    }).pipe(fresh))

  it.effect("remembers an answer that says nothing", () =>
    Effect.gen(function*() {
      let turn = 0
      const effect = Effect.sync(() => {
        turn++
        return null
      })
      assert.isNull(yield* once("k", "a", Schema.Null, effect))
      assert.isNull(yield* once("k", "a", Schema.Null, effect))
      assert.strictEqual(turn, 1)
    }).pipe(fresh))
}

export const suite = suiteOf<Needs>("Idempotency", [keys])
