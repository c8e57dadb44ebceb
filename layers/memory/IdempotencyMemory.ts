/** The answers that were given under a key, kept with the writes they stand for. */
import { Effect, HashMap, Layer, Option, Schema } from "effect"
import { Idempotency, KeyReused } from "../../src/idempotency/Idempotency.ts"
import { Store } from "./StoreMemory.ts"

export const layer = Layer.effect(
  Idempotency,
  Effect.gen(function*() {
    const store = yield* Store

    const once: Idempotency["Service"]["once"] = ({ key, said }, answer, effect) => {
      if (key === undefined) return effect
      const json = Schema.fromJsonString(answer)
      return store.run(Effect.gen(function*() {
        const known = Option.getOrUndefined(HashMap.get((yield* store.read).answers, key))
        if (known !== undefined && known.said !== said) return yield* new KeyReused({ key })
        if (known !== undefined) return yield* Effect.orDie(Schema.decodeEffect(json)(known.answer))
        const value = yield* effect
        const given = { said, answer: yield* Effect.orDie(Schema.encodeEffect(json)(value)) }
        const contents = yield* store.read
        yield* store.write({ ...contents, answers: HashMap.set(contents.answers, key, given) })
        return value
      }))
    }

    return Idempotency.of({ once })
  })
)
