/** Claims and settlements, each one short committed statement; PostgreSQL's clock alone decides what a lease holds. */
import { Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type Statement } from "effect/sql"
import { type Batch, Leases, type Settlement, type Spent } from "../../src/outbox/Leases.ts"
import { claimAloneRow, claimRows, hasAloneRow, toBatch } from "./Claim.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { reclaimed } from "./Reclaim.ts"
import { dead, done, type Of, release, retry } from "./Settle.ts"
import { measured, silent } from "./Statement.ts"
import { sweeping } from "./Sweep.ts"

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const random = yield* SecureRandom.SecureRandom
  const run = <A extends object>(query: Statement.Statement<A>) =>
    query.pipe(silent, measured("update", "outbox"), orUnavailable)

  const settle = Effect.fnUntraced(function*(
    batch: Batch,
    settlements: ReadonlyArray<Settlement>,
    spent?: Spent
  ) {
    const of = <T extends Settlement["_tag"]>(tag: T) => settlements.filter((one): one is Of<T> => one._tag === tag)
    const statements = [
      { settled: of("Done"), query: () => done(sql, batch, of("Done"), spent) },
      { settled: of("Retry"), query: () => retry(sql, batch, of("Retry"), spent) },
      { settled: of("Dead"), query: () => dead(sql, batch, of("Dead"), spent) },
      { settled: of("Release"), query: () => release(sql, batch, of("Release")) }
    ]
    const wanted = statements.filter(({ settled }) => settled.length > 0)
    const all = Effect.forEach(wanted, ({ query }) => measured("update", "outbox")(query()))
    // Said again after a lost answer, half a settlement would look like a lost lease.
    const settled = yield* (wanted.length > 1 ? sql.withTransaction(all) : all).pipe(silent, orUnavailable)
    return new Set(settled.flat().flatMap(({ ids }) => ids ?? []).map(Number))
  })

  return Leases.of({
    claim: Effect.fnUntraced(function*(projection, options) {
      const token = yield* random.uuidV4()
      return toBatch(projection, token, options.worker, yield* run(claimRows(sql, projection, token, options)))
    }),
    claimAlone: Effect.fnUntraced(function*(projection, options) {
      const token = yield* random.uuidV4()
      return toBatch(projection, token, options.worker, yield* run(claimAloneRow(sql, projection, token, options)))
    }),
    hasAlone: (projection) => Effect.map(run(hasAloneRow(sql, projection)), ({ length }) => length > 0),
    settle,
    reclaim: (projection, { attemptsMax }) =>
      Effect.map(run(reclaimed.query(sql, projection, attemptsMax)), (rows) => reclaimed.decode(rows)),
    sweep: (projection) => Effect.asVoid(run(sweeping(sql, projection)))
  })
})

export const layer = Layer.effect(Leases, make)
