/** Pauses in PostgreSQL keep their promises; and what only a database with many workers can show. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as WakeUpsPostgres from "../../layers/postgres/WakeUpsPostgres.ts"
import { type BreakerNote, ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import { WakeUps } from "../../src/outbox/WakeUps.ts"
import * as ProjectionControlSuite from "../conformance/ProjectionControlSuite.ts"
import { fresh, passTime } from "../support/Backstage.ts"
import * as PostgresStores from "../support/PostgresStores.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"

const hire = (...workers: ReadonlyArray<string>) =>
  SqlClient.SqlClient.use((sql) =>
    sql`
    insert into outbox_workers (id, projections, started_at)
    select id, '{search}', '-infinity' from unnest(${workers}::text[]) as id
    on conflict (id) do update set started_at = excluded.started_at`
  ).pipe(Effect.asVoid, Effect.orDie)

ProjectionControlSuite.suite({ name: "PostgreSQL", layer: PostgresStores.layer, hire, excludeTestServices: true })

const note: BreakerNote = { state: "open", errorType: "es_unavailable", detail: "no node answered", retryInMs: 1_000 }

const tell = (worker: string, said: BreakerNote | null = note) =>
  ProjectionControl.use((control) => control.tell("search", worker, said))

const workersShown = ProjectionControl.use(({ states }) =>
  Effect.map(states, ([search]) => search!.breakers.map(({ worker }) => worker))
)

const stores = Layer.mergeAll(WakeUpsPostgres.layer, RecordedSpans.layer).pipe(Layer.provideMerge(PostgresStores.layer))

layer(stores, { excludeTestServices: true })("ProjectionControlPostgres", (it) => {
  it.effect("shows no breaker of a worker that has gone", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* hire("w1", "w2")
      yield* Effect.forEach(["w1", "w2", "never-hired"], (worker) => tell(worker))
      assert.deepStrictEqual(yield* workersShown, ["w1", "w2"])
      yield* sql`delete from outbox_workers where id = 'w1'`
      assert.deepStrictEqual(yield* workersShown, ["w2"])
    }).pipe(fresh))

  it.effect("shows no breaker that a worker of the same name left before it was started again", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* hire("w1")
      yield* tell("w1")
      assert.deepStrictEqual(yield* workersShown, ["w1"])
      yield* sql`update outbox_workers set started_at = clock_timestamp()`
      assert.deepStrictEqual(yield* workersShown, [])
      yield* tell("w1")
      assert.deepStrictEqual(yield* workersShown, ["w1"])
    }).pipe(fresh))

  it.effect("keeps no row of workers that died, as each start has a name of its own", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const kept = Effect.map(
        sql<{ readonly worker: string }>`select worker from outbox_breakers order by worker`,
        (rows) => rows.map(({ worker }) => worker)
      )
      yield* Effect.forEach(["w1", "w2", "w3"], (worker) => tell(worker))
      yield* passTime("1 hour")
      yield* tell("w2")
      assert.deepStrictEqual(yield* kept, ["w2"])
    }).pipe(fresh))

  it.effect("takes what many workers tell at once", () =>
    Effect.gen(function*() {
      const workers = Array.from({ length: 20 }, (_, at) => `w${10 + at}`)
      yield* hire(...workers)
      yield* Effect.forEach(workers, (worker) => tell(worker))
      yield* passTime("1 hour")
      yield* Effect.forEach([...workers, ...workers], (worker) => tell(worker), { concurrency: 10 })
      assert.deepStrictEqual(yield* workersShown, workers)
    }).pipe(fresh))

  it.effect("shows no more breakers of a projection than a page can hold", () =>
    Effect.gen(function*() {
      const workers = Array.from({ length: 130 }, (_, at) => `w${100 + at}`)
      yield* hire(...workers)
      yield* Effect.forEach(workers, (worker) => tell(worker))
      assert.deepStrictEqual(yield* workersShown, workers.slice(0, 100))
    }).pipe(fresh))

  it.effect("wakes idle workers when it is resumed", () =>
    Effect.gen(function*() {
      const [control, wakeUps] = [yield* ProjectionControl, yield* WakeUps]
      yield* control.pause("search", null)
      // The first look is that of a listener which has just begun.
      yield* wakeUps.beyond(0)
      const count = yield* wakeUps.count
      const woken = yield* Effect.forkChild(wakeUps.beyond(count))
      yield* control.resume("search")
      yield* Fiber.join(woken)
    }).pipe(fresh))

  it.effect("leaves no span when it tells or looks, and one when it pauses or resumes", () =>
    Effect.gen(function*() {
      const control = yield* ProjectionControl
      const before = (yield* RecordedSpans.all).length
      yield* tell("w1")
      yield* tell("w1", null)
      yield* control.states
      assert.lengthOf(yield* RecordedSpans.all, before)
      yield* control.pause("search", "a secret reason")
      yield* control.resume("search")
      const all = (yield* RecordedSpans.all).slice(before)
      assert.deepStrictEqual(all.map(({ name }) => name), ["db.update", "db.update"])
      assert.notInclude(JSON.stringify(all.map(({ attributes }) => [...attributes])), "secret")
    }).pipe(fresh))
})
