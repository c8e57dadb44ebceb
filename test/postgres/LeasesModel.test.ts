/**
 * Random histories of an outbox in a real PostgreSQL, each step compared with a small model: P-01 to P-05 and P-08.
 *
 * A failure is told as the shortest history found that still fails, and `SEED=…` does it again.
 */
import { assert, layer } from "@effect/vitest"
import { Arbitrary, Cause, Duration, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Operation } from "../../src/domain/Change.ts"
import { type Batch, Leases, type Settlement } from "../../src/outbox/Leases.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import { Backstage } from "../support/Backstage.ts"
import { changeOf, commit, requestedAs, tracedAs } from "../support/Changes.ts"
import { attemptsMax, leaseSeconds, OutboxModel, retrySeconds, tickSeconds } from "../support/OutboxModel.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const worker = Schema.Literals(["w1", "w2", "w3"])
const outcome = Schema.Literals(["done", "superseded", "retry", "wait", "dead", "release", "nothing"])
const outcomes = Schema.Array(outcome).check(Schema.isMinLength(1), Schema.isMaxLength(4))
type Outcome = typeof outcome.Type
/** Which of the batches that are remembered; the last ones are likelier to be held still. */
const batch = between(0, 7)

const Command = Schema.Union([
  Schema.Struct({ do: Schema.Literal("write"), op: Operation }),
  Schema.Struct({ do: Schema.Literal("write"), op: Schema.Literal("upsert") }),
  Schema.Struct({ do: Schema.Literal("claim"), worker, limit: between(1, 4) }),
  Schema.Struct({ do: Schema.Literal("claim"), worker, limit: between(1, 2) }),
  Schema.Struct({ do: Schema.Literal("settle"), batch, each: outcomes }),
  Schema.Struct({ do: Schema.Literal("settle"), batch: between(0, 1), each: Schema.Tuple([outcome]) }),
  Schema.Struct({ do: Schema.Literal("extend"), batch }),
  Schema.Struct({ do: Schema.Literal("crash"), batch }),
  Schema.Struct({ do: Schema.Literal("tick"), times: between(1, 4) }),
  Schema.Struct({ do: Schema.Literal("reclaim"), limit: between(1, 3) }),
  Schema.Struct({ do: Schema.Literal("replay"), status: Schema.Literals(["dead", "done"]) }),
  Schema.Struct({ do: Schema.Literal("replay"), status: Schema.Literal("dead") }),
  Schema.Struct({ do: Schema.Literal("replayOne"), row: between(0, 20) })
])
type Command = typeof Command.Type

const settlementOf = (outcome: Outcome, id: number): ReadonlyArray<Settlement> => {
  switch (outcome) {
    case "done":
      return [{ _tag: "Done", id, outcome: "acked" }]
    case "superseded":
      return [{ _tag: "Done", id, outcome }]
    case "retry":
      return [{ _tag: "Retry", id, delayMs: 0, errorType: "es_429", detail: "busy" }]
    case "wait":
      return [{ _tag: "Retry", id, delayMs: retrySeconds * 1_000, errorType: "es_503", detail: "away" }]
    case "dead":
      return [{ _tag: "Dead", id, errorType: "es_mapping", detail: "no" }]
    case "release":
      return [{ _tag: "Release", id }]
    case "nothing":
      return []
  }
}
const contextOf = (key: number) => ({
  traceparent: `00-${key.toString(16).padStart(32, "0")}-${key.toString(16).padStart(16, "0")}-0${key % 4}`,
  tracestate: key % 2 === 0 ? `k=${key}` : null
})

const RowNow = Schema.Struct({
  key: Schema.Number,
  status: Schema.Literals(["pending", "processing", "done", "dead"]),
  attempts: Schema.Number,
  owned: Schema.Boolean,
  leased: Schema.Boolean,
  recorded: Schema.Number,
  traceparent: Schema.String,
  tracestate: Schema.NullOr(Schema.String),
  request_id: Schema.String
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(RowNow))

const rowsNow = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) =>
    sql`select entity_version as key, status, attempts,
      lease_owner is not null as owned, lease_until is not null as leased,
      (select count(*)::float8 from outbox_attempts where projection = 'search' and event_id = id) as recorded,
      traceparent, tracestate, request_id
    from search_outbox_events order by entity_version`
).pipe(Effect.flatMap(decodeRows))

const statusOf = { ready: "pending", waiting: "pending", leased: "processing", done: "done", dead: "dead" } as const

/** What must hold after every step, whatever it was. */
const invariants = Effect.fnUntraced(function*(model: OutboxModel) {
  const rows = yield* rowsNow
  assert.deepStrictEqual(rows.map(({ key }) => key), model.rows.map(({ key }) => key), "no row is lost or made twice")
  for (const row of rows) {
    const { attempts, counted, state } = model.row(row.key)
    const processing = state._tag === "leased"
    const said = { traceparent: row.traceparent, tracestate: row.tracestate, request_id: row.request_id }
    assert.deepStrictEqual(said, { ...contextOf(row.key), request_id: `r-${row.key}` }, "what a row says stays")
    assert.deepStrictEqual(
      { status: row.status, attempts: row.attempts, owned: row.owned, leased: row.leased, recorded: row.recorded },
      {
        status: statusOf[state._tag],
        attempts,
        owned: processing,
        leased: processing,
        recorded: counted - (processing ? 1 : 0)
      },
      `row ${row.key}`
    )
  }
})

/** How often what makes a history interesting has happened: a test in which it never does proves little. */
const happened = {
  late: 0,
  partly: 0,
  reclaimed: 0,
  buried: 0,
  extended: 0,
  replayedDead: 0,
  replayedDone: 0,
  waited: 0
}

const begin = Effect.fnUntraced(function*() {
  const [leases, report, stage] = [yield* Leases, yield* OutboxReport, yield* Backstage]
  const model = new OutboxModel()
  const batches: Array<Batch> = []
  const ids = new Map<number, number>()
  const lease = Duration.seconds(leaseSeconds)
  const pick = (at: number) => batches.at(-1 - (at % Math.max(1, batches.length)))
  yield* stage.clear

  const claim = Effect.fnUntraced(function*(worker: string, limit: number) {
    const batch = yield* leases.claim("search", { worker, limit, leaseFor: lease })
    for (const { attempt, reclaimed, requestId, trace, version } of batch.deliveries) {
      assert.deepStrictEqual({ trace, requestId }, { trace: contextOf(version), requestId: `r-${version}` })
      if (attempt > 1 && !reclaimed) happened.waited++
    }
    model.claimed(batch, limit)
    for (const { id, version } of batch.deliveries) ids.set(id, version)
    if (batch.deliveries.length > 0) batches.push(batch)
    return batch
  })

  const settle = Effect.fnUntraced(function*(batch: Batch, each: ReadonlyArray<Outcome>) {
    const settlements = batch.deliveries.flatMap(({ id }, at) => settlementOf(each[at % each.length]!, id))
    const held = yield* leases.settle(batch, settlements)
    model.settled(batch, settlements, held)
    if (held.size < settlements.length) happened.late++
    if (held.size > 0 && new Set(each).size > 1) happened.partly++
  })

  const reclaim = Effect.fnUntraced(function*(limit: number) {
    const lost = yield* leases.reclaim("search", { limit, attemptsMax })
    model.reclaimed(lost, (id) => ids.get(id) ?? 0, limit)
    for (const { dead, id, trace } of lost) {
      assert.deepStrictEqual(trace, contextOf(ids.get(id)!))
      happened[dead ? "buried" : "reclaimed"]++
    }
    return lost.length
  })

  const replay = Effect.fnUntraced(function*(status: "dead" | "done") {
    const rows = model.having(status)
    model.replayed(rows, yield* report.replay({ projection: "search", status }))
    happened[status === "dead" ? "replayedDead" : "replayedDone"] += rows.length
  })

  const tick = Effect.fnUntraced(function*(times: number) {
    model.now += times * tickSeconds
    yield* stage.passTime(Duration.seconds(times * tickSeconds))
  })

  const run = Effect.fnUntraced(function*(command: Command) {
    switch (command.do) {
      case "write": {
        const key = model.write()
        const change = changeOf({ version: key, op: command.op })
        return yield* commit(change).pipe(tracedAs(contextOf(key)), requestedAs(`r-${key}`))
      }
      case "claim":
        return yield* claim(command.worker, command.limit)
      case "settle": {
        const chosen = pick(command.batch)
        return chosen === undefined ? undefined : yield* settle(chosen, command.each)
      }
      case "extend": {
        const chosen = pick(command.batch)
        if (chosen === undefined) return
        const held = yield* leases.extend(chosen, lease)
        model.extended(chosen, held)
        happened.extended += held.size
        return
      }
      case "crash": {
        // Nobody remembers the claim: only its lease frees the rows.
        const chosen = pick(command.batch)
        if (chosen !== undefined) batches.splice(batches.indexOf(chosen), 1)
        return
      }
      case "tick":
        return yield* tick(command.times)
      case "reclaim":
        return yield* reclaim(command.limit)
      case "replay":
        return yield* replay(command.status)
      case "replayOne": {
        const [id = 0, key] = [...ids][command.row % Math.max(1, ids.size)] ?? []
        const rows = model.rows.filter((row) => row.key === key && ["done", "dead"].includes(row.state._tag))
        return model.replayed(rows, yield* report.replay({ projection: "search", id }))
      }
    }
  })

  /** P-08: once there is no more trouble, everything ends. */
  const heal = Effect.gen(function*() {
    yield* tick(4)
    for (let turn = 0; turn < 50; turn++) {
      const lost = yield* reclaim(100)
      const batch = yield* claim("w1", 100)
      yield* settle(batch, ["done"])
      if (lost + batch.deliveries.length === 0) break
    }
    assert.isTrue(
      model.rows.every(({ state }) => state._tag === "done" || state._tag === "dead"),
      "everything has ended"
    )
  })

  return { model, run, heal }
})

const first: ReadonlyArray<Command> = [1, 2, 3].map(() => ({ do: "write", op: "upsert" }))

const history = Effect.fnUntraced(function*(commands: ReadonlyArray<Command>) {
  const { heal, model, run } = yield* begin()
  for (const command of [...first, ...commands]) {
    yield* run(command)
    yield* invariants(model)
  }
  yield* heal
  yield* invariants(model)
  return true
})

const histories = Arbitrary.array(Arbitrary.schema(Command), { minLength: 1, maxLength: 50 })

layer(PostgresStores.layer, { excludeTestServices: true })("an outbox in PostgreSQL", (it) => {
  it.effect("answers as its model in every history", () =>
    Effect.gen(function*() {
      const seed = process.env["SEED"] ?? crypto.randomUUID().slice(0, 8)
      const result = yield* Arbitrary.checkEffect(
        histories,
        (commands) => Effect.catchCause(history(commands), (cause) => Effect.fail(Cause.pretty(cause))),
        { runs: 200, size: 50, maxShrinks: 200, seed }
      )
      const failure = Arbitrary.formatCheckFailure(result)
      if (failure !== undefined) assert.fail(`${failure}\nSEED=${seed}`)
      for (const [what, times] of Object.entries(happened)) {
        assert.isAbove(times, 0, `${what} in no history; SEED=${seed}`)
      }
    }))
})
