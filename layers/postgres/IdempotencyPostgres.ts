/** Idempotency keys beside the writes they stand for, in the same transaction. */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import { Idempotency, KeyReused } from "../../src/idempotency/Idempotency.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { statement } from "./Statement.ts"

interface Remembered {
  readonly fingerprint: string
  readonly answer: unknown
}

export const layer = Layer.effect(
  Idempotency,
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const transaction = yield* Transaction

    /** Of two requests at once the second waits here until the first has committed or failed. */
    const take = (key: string, fingerprint: string) =>
      Effect.gen(function*() {
        const taken = yield* statement(
          "create",
          "idempotency_keys",
          sql`
          insert into idempotency_keys (key, fingerprint) values (${key}, ${fingerprint})
          on conflict (key) do nothing returning key`
        )
        if (taken.length > 0) return undefined
        const [known] = yield* statement(
          "query",
          "idempotency_keys",
          sql<Remembered>`
          select fingerprint, answer from idempotency_keys where key = ${key}`
        )
        return known
      }).pipe(orUnavailable)

    const remember = (key: string, answer: unknown) =>
      orUnavailable(statement(
        "update",
        "idempotency_keys",
        sql`
        update idempotency_keys set answer = ${JSON.stringify(answer ?? null)}::jsonb where key = ${key} returning key`
      ))

    const once = <A, I, E, R>(
      request: { readonly key: string | undefined; readonly said: string },
      answer: Schema.Codec<A, I>,
      effect: Effect.Effect<A, E, R>
    ) => {
      const { key, said } = request
      if (key === undefined) return effect
      const fingerprint = createHash("sha256").update(said).digest("hex")
      return transaction.run(Effect.gen(function*() {
        const known = yield* take(key, fingerprint)
        if (known !== undefined && known.fingerprint !== fingerprint) return yield* new KeyReused({ key })
        if (known !== undefined) return yield* Effect.orDie(Schema.decodeUnknownEffect(answer)(known.answer))
        const value = yield* effect
        yield* remember(key, yield* Effect.orDie(Schema.encodeEffect(answer)(value)))
        return value
      }))
    }

    return Idempotency.of({ once })
  })
)
