/** Random histories of an outbox, told to a store and to the model of one, step by step. */
import { assert } from "@effect/vitest"
import { Duration, Effect } from "effect"
import type { Operation } from "../../src/domain/Change.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { Heartbeats } from "../../src/outbox/Heartbeats.ts"
import { type Batch, Leases } from "../../src/outbox/Leases.ts"
import { OutboxReport } from "../../src/outbox/OutboxReport.ts"
import { isOrdered, type Projection, subscribed } from "../../src/outbox/Projection.ts"
import { ProjectionControl } from "../../src/outbox/ProjectionControl.ts"
import { Backstage } from "./Backstage.ts"
import { changeOf, commit, requestedAs, tracedAs } from "./Changes.ts"
import { type Command, type Outcome, settlementOf } from "./OutboxCommands.ts"
import { keyOf, leaseSeconds, OutboxModel, tickSeconds } from "./OutboxModel.ts"

const contextOf = (key: number) => ({
  traceparent: `00-${key.toString(16).padStart(32, "0")}-${key.toString(16).padStart(16, "0")}-0${key % 4}`,
  tracestate: key % 2 === 0 ? `k=${key}` : null
})

const statusOf = { fresh: "pending", waiting: "pending", alone: "pending", done: "done", dead: "dead" } as const

/** What must hold after every step, whatever it was. */
const invariants = Effect.fnUntraced(function*(model: OutboxModel) {
  const [report, stage] = [yield* OutboxReport, yield* Backstage]
  const { items } = yield* report.events({}, 1_000, undefined)
  const records = yield* stage.attempts
  assert.strictEqual(items.length, model.rows.length, "no row is lost or made twice")
  for (const event of items) {
    const key = Number(event.request_id!.slice(2))
    const row = model.row(event.projection, key)
    const claim = model.claimOf(row)
    const { traceparent, tracestate } = event
    assert.deepStrictEqual({ traceparent, tracestate }, contextOf(key), "what a row says stays")
    const recorded = records.filter((each) => each.projection === event.projection && each.id === event.id).length
    assert.deepStrictEqual(
      {
        status: event.status,
        attempts: event.attempts,
        owner: event.lease_owner,
        leased: event.lease_until !== null,
        recorded
      },
      {
        status: claim === undefined ? statusOf[row.state] : "processing",
        attempts: claim === undefined ? row.attempts : row.attempts + 1,
        owner: claim?.worker ?? null,
        leased: claim !== undefined,
        recorded: row.recorded
      },
      `row ${key} of ${event.projection}`
    )
  }
})

/** How often what makes a history interesting has happened: a test in which it never does proves little. */
export const happened = {
  late: 0,
  partly: 0,
  extended: 0,
  retried: 0,
  alone: 0,
  crash_loop: 0,
  lease_expired: 0,
  triedAlone: 0,
  paused: 0,
  heldBack: 0,
  replayed: 0
}

/** One store's side of a history: the commands, told one by one, and what it answered. */
const begin = Effect.fnUntraced(function*(entities: ReadonlyArray<EntityId>, apart: Effect.Effect<void>) {
  const [leases, heartbeats, report] = [yield* Leases, yield* Heartbeats, yield* OutboxReport]
  const [control, stage] = [yield* ProjectionControl, yield* Backstage]
  const model = new OutboxModel()
  const batches: Array<Batch> = []
  const versions = entities.map(() => 0)
  const leaseFor = Duration.seconds(leaseSeconds)
  const pick = (at: number) => batches.at(-1 - (at % Math.max(1, batches.length)))
  let written = 0
  yield* stage.clear

  const write = (entity: number, op: Operation) => {
    const [key, id] = [++written, entities[entity]!]
    model.write(key, id)
    const change = changeOf({ id, op, version: ++versions[entity]! })
    return commit(change).pipe(tracedAs(contextOf(key)), requestedAs(`r-${key}`))
  }

  const remembered = (batch: Batch) => {
    if (batch.deliveries.length > 0) batches.push(batch)
    return batch.deliveries.map((each) => [keyOf(each), each.version, each.attempt, each.reclaimed] as const)
  }

  const claim = Effect.fnUntraced(function*(projection: Projection, worker: string, limit: number) {
    const batch = yield* leases.claim(projection, { worker, limit, leaseFor })
    model.claimed(batch, limit)
    if (model.paused.has(projection)) happened.paused++
    const isTaken = new Set(batch.deliveries.map(({ entityId }) => entityId))
    const left = model.having(projection, "fresh", "waiting").filter(({ entity }) => !isTaken.has(entity as EntityId))
    if (projection === "chronicle" && left.length > 0) happened.heldBack++
    return remembered(batch)
  })

  const claimAlone = Effect.fnUntraced(function*(projection: Projection, worker: string) {
    const due = model.available(projection, "alone").length > 0
    const has = yield* leases.hasAlone(projection)
    // In an ordered outbox a row may have to wait longer than the model knows, for an earlier one of its entity.
    assert.isTrue(isOrdered[projection] ? due || !has : due === has, "there is one to be tried alone, or not")
    const batch = yield* leases.claimAlone(projection, { worker, leaseFor })
    assert.isTrue(has || batch.deliveries.length === 0, "none is given out where there is none")
    model.claimedAlone(batch)
    happened.triedAlone += batch.deliveries.length
    return remembered(batch)
  })

  const settle = Effect.fnUntraced(function*(batch: Batch, each: ReadonlyArray<Outcome>) {
    const all = batch.deliveries.flatMap(({ id }, at) => settlementOf(each[at % each.length]!, id))
    // Which of two clocks a row's delay begins by says nothing: what is given back comes after what is tried again.
    const parts = [all.filter(({ _tag }) => _tag !== "Release"), all.filter(({ _tag }) => _tag === "Release")]
    const told: Array<number> = []
    for (const settlements of parts) {
      const held = yield* leases.settle(batch, settlements)
      model.settled(batch, settlements, held)
      if (held.size < settlements.length) happened.late++
      if (held.size > 0 && held.size < batch.deliveries.length) happened.partly++
      told.push(...[...held].map((id) => model.keyOfId(batch.projection, id)!))
      yield* apart
    }
    return told.toSorted((a, b) => a - b)
  })

  const extend = Effect.fnUntraced(function*(batch: Batch) {
    const held = yield* heartbeats.extend(batch, leaseFor)
    model.extended(batch, held)
    happened.extended += held.size
    return [...held].map((id) => model.keyOfId(batch.projection, id)!).toSorted((a, b) => a - b)
  })

  const reclaim = Effect.fnUntraced(function*(projection: Projection, attemptsMax: number) {
    const lost = yield* leases.reclaim(projection, { attemptsMax })
    model.reclaimed(projection, lost, attemptsMax)
    const told = lost.map(({ attempt, fate, id, trace, worker }) => {
      const key = model.keyOfId(projection, id)!
      assert.deepStrictEqual(trace, contextOf(key))
      happened[fate]++
      return { key, attempt, fate, worker }
    })
    return told.toSorted((a, b) => a.key - b.key)
  })

  const replay = Effect.fnUntraced(function*(projection: Projection, status: "dead" | "done") {
    const rows = model.having(projection, status)
    model.replayed(rows, yield* report.replay({ projection, status }))
    happened.replayed += rows.length
    return rows.length
  })

  const replayOne = Effect.fnUntraced(function*(projection: Projection, row: number) {
    const key = 1 + row % Math.max(1, written)
    const id = model.idOfKey(projection, key)
    const rows = id === undefined ? [] : model.having(projection, "done", "dead").filter((each) => each.key === key)
    model.replayed(rows, yield* report.replay({ projection, id: id ?? 0 }))
    return rows.length
  })

  const tick = Effect.fnUntraced(function*(times: number) {
    model.now += times * tickSeconds
    yield* stage.passTime(Duration.seconds(times * tickSeconds))
  })

  /** Workers that die over their rows, one after the other. */
  const crash = Effect.fnUntraced(function*(projection: Projection, times: number, attemptsMax: number) {
    const told: Array<unknown> = []
    for (let each = 0; each < times; each++) {
      const alone = yield* claimAlone(projection, "w-dying")
      told.push(alone, alone.length > 0 ? [] : yield* claim(projection, "w-dying", 2))
      yield* tick(3)
      told.push(yield* reclaim(projection, attemptsMax))
    }
    return told
  })

  return {
    claim,
    claimAlone,
    control,
    crash,
    extend,
    leases,
    model,
    pick,
    reclaim,
    replay,
    replayOne,
    settle,
    tick,
    write
  }
})

type Side = Effect.Success<ReturnType<typeof begin>>

const run = Effect.fnUntraced(function*(side: Side, command: Command) {
  const { control, leases, model } = side
  switch (command.do) {
    case "write":
      return yield* side.write(command.entity, command.op)
    case "claim":
      return yield* side.claim(command.projection, command.worker, command.limit)
    case "claimAlone":
      return yield* side.claimAlone(command.projection, command.worker)
    case "settle":
    case "extend": {
      const chosen = side.pick(command.batch)
      if (chosen === undefined) return
      return yield* command.do === "extend" ? side.extend(chosen) : side.settle(chosen, command.each)
    }
    case "crash":
      return yield* side.crash(command.projection, command.times, command.attemptsMax)
    case "tick":
      return yield* side.tick(command.times)
    case "reclaim":
      return yield* side.reclaim(command.projection, command.attemptsMax)
    case "pause":
      model.paused.add(command.projection)
      return yield* control.pause(command.projection, "by a test")
    case "resume":
      model.paused.delete(command.projection)
      return yield* control.resume(command.projection)
    case "replay":
      return yield* side.replay(command.projection, command.status)
    case "replayOne":
      return yield* side.replayOne(command.projection, command.row)
    case "sweep":
      return yield* leases.sweep(command.projection)
  }
})

/** P-08: once there is no more trouble, everything ends. */
const heal = Effect.fnUntraced(function*({ claim, claimAlone, control, model, pick, reclaim, settle, tick }: Side) {
  const told: Array<unknown> = []
  yield* tick(4)
  for (const projection of subscribed) {
    model.paused.delete(projection)
    yield* control.resume(projection)
    // A claim that only found rows to hold back answers none.
    for (let turn = 0, idle = 0; turn < 200 && idle < 3; turn++) {
      const lost = yield* reclaim(projection, 7)
      const alone = yield* claimAlone(projection, "w1")
      if (alone.length > 0) yield* settle(pick(0)!, ["done"])
      const rows = yield* claim(projection, "w1", 50)
      if (rows.length > 0) yield* settle(pick(0)!, ["done"])
      told.push(lost, alone, rows)
      idle = lost.length + alone.length + rows.length === 0 ? idle + 1 : 0
    }
    const left = model.having(projection, "fresh", "waiting", "alone")
    assert.deepStrictEqual(left, [], "everything has ended")
  }
  return told
})

const first: ReadonlyArray<Command> = [0, 0, 1, 2].map((entity) => ({ do: "write", entity, op: "upsert" }))

/** Answers all that the store did, each step of it right by the model; `apart` lets no two steps happen at one time. */
export const history = Effect.fnUntraced(function*(
  commands: ReadonlyArray<Command>,
  entities: ReadonlyArray<EntityId>,
  apart: Effect.Effect<void>
) {
  const side = yield* begin(entities, apart)
  const answers: Array<unknown> = []
  for (const command of [...first, ...commands]) {
    answers.push(yield* run(side, command))
    yield* apart
    yield* invariants(side.model)
  }
  answers.push(yield* heal(side))
  yield* invariants(side.model)
  return answers
})
