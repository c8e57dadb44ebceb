/** A business transaction alone, with a statement that does nothing, and with its outbox rows, in turns. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { differences } from "../../src/domain/Change.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { Outbox } from "../../src/outbox/Outbox.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import { report, whenTold } from "../ChildSide.ts"
import { meter, type Usage } from "../Meter.ts"
import { runInFoundation } from "./RunInFoundation.ts"

const [clients = 1, transactions = 1_000, rounds = 3] = process.argv.slice(3).map(Number)

/** Enough for V8 to have compiled what is measured. */
const warmUps = 1_500

const title = "A block about the sea"
const body = "Waves of the sea are made by the wind; the moon makes the tides. ".repeat(4)
const libraryId = EntityId.make(randomUUID())
const tagId = randomUUID()

const prepare = Effect.fnUntraced(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`insert into libraries (id, name) values (${libraryId}, 'bench')`
})

const business = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const transaction = yield* Transaction
  const outbox = yield* Outbox
  const insert = (id: string) =>
    sql`insert into blocks (id, library_id, title, body, tag_ids)
      values (${id}, ${libraryId}, ${title}, ${body}, ${[tagId]}::uuid[])`
  const changeOf = (id: string) => {
    const fields = differences({}, { library_id: libraryId, title, body, tag_ids: [EntityId.make(tagId)] })
    return { kind: "block", id: EntityId.make(id), version: 1, op: "upsert", libraryId, fields } as const
  }
  return {
    without: () => transaction.run(insert(randomUUID())),
    nothing: () => transaction.run(Effect.andThen(insert(randomUUID()), sql`select`)),
    with: () => {
      const id = randomUUID()
      return transaction.run(Effect.andThen(insert(id), outbox.append([changeOf(id)])))
    }
  }
})

const inTurns = ["without", "nothing", "with"] as const
type Mode = typeof inTurns[number]

const program = Effect.gen(function*() {
  yield* prepare()
  const modes = yield* business
  const slice = Effect.fnUntraced(function*(mode: Mode, count: number) {
    let left = count
    const client = Effect.whileLoop({
      while: () => left-- > 0,
      body: () => modes[mode](),
      step: () => {}
    })
    const measure = meter()
    yield* Effect.all(Array.from({ length: clients }, () => client), { concurrency: "unbounded", discard: true })
    return measure(count)
  })
  for (const mode of inTurns) yield* slice(mode, warmUps)
  const slices: Array<{ readonly round: number; readonly mode: Mode; readonly usage: Usage }> = []
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? inTurns : inTurns.toReversed()
    for (const mode of order) slices.push({ round, mode, usage: yield* slice(mode, transactions) })
  }
  return slices
})

whenTold(() => process.exit(3))
report(await runInFoundation(program))
process.exit(0)
