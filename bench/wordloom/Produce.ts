/** Leaves one change after the other in the outbox, as the API does. program.js produce N */
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { EntityId } from "../../src/domain/Entity.ts"
import { Outbox } from "../../src/outbox/Outbox.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { produce, report } from "../ChildSide.ts"
import { runInFoundation } from "./RunInFoundation.ts"

await runInFoundation(Effect.gen(function*() {
  const transaction = yield* Transaction
  const outbox = yield* Outbox
  const context = yield* Effect.context()
  const send = (key: string) => {
    const change = {
      kind: "block",
      id: EntityId.make(key),
      version: 1,
      op: "upsert",
      libraryId: null,
      fields: []
    } as const
    return Effect.runPromiseWith(context)(transaction.run(outbox.append([change])))
  }
  report(yield* Effect.promise(() => produce(Number(process.argv[3]), () => randomUUID(), send)))
}))
