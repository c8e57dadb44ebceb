/** Every member is given every number once and in order, whatever comes twice, late or not at all. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Logic } from "../../src/realtime/Logic.ts"
import { LogicUnavailable } from "../../src/realtime/RealtimeErrors.ts"
import { fillMax, type Joined, type Member, Rooms } from "../../src/realtime/Rooms.ts"
import { chatOf, session_id as id } from "../support/Chats.ts"
import * as RecordedSpans from "../support/RecordedSpans.ts"

const ref = { kind: "block", id } as const

interface Script {
  last: number
  away: boolean
  left: number
}

const scripted = (script: Script) => {
  const orAway = <A>(value: () => A) =>
    Effect.suspend(() => script.away ? Effect.fail(new LogicUnavailable({ detail: "away" })) : Effect.sync(value))
  return Layer.succeed(
    Logic,
    Logic.of({
      sendMessage: () => Effect.die("nobody sends here"),
      history: (_session, after, limit) =>
        orAway(() => ({
          last_seq: script.last,
          messages: Array.from({ length: Math.min(limit, script.last - after) }, (_, at) => chatOf(after + at + 1))
        })),
      join: () => orAway(() => ({ last_seq: script.last, version: 7 })),
      leave: () => Effect.sync(() => void script.left++),
      attend: (_gateway, sessions) =>
        orAway(() => sessions.map((session_id) => ({ session_id, last_seq: script.last }))),
      retire: () => Effect.void
    })
  )
}

const memberOf = () => {
  const seen: Array<number> = []
  let isGone = false
  const member: Member = {
    deliver: (frame) => {
      seen.push((JSON.parse(frame) as { readonly seq: number }).seq)
    },
    drained: Effect.void,
    isGone: () => isGone
  }
  return { member, seen, go: () => (isGone = true) }
}

const inRooms = <A, E, R>(script: Script, work: Effect.Effect<A, E, R>) =>
  work.pipe(
    Effect.provide(Rooms.layer({ gateway_id: "g1", address: "here" }).pipe(Layer.provide(scripted(script))))
  )

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)

const fresh = (last = 0): Script => ({ last, away: false, left: 0 })

const push = (script: Script, seq: number) =>
  Rooms.use((rooms) => {
    script.last = Math.max(script.last, seq)
    return rooms.push(chatOf(seq), null)
  })

const Step = Schema.Struct({ seq: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })) })

it.effect.prop(
  "a member is given each number once and in order, in whatever order and however often they are pushed",
  { steps: Schema.Array(Step), after: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 })) },
  ({ after, steps }) => {
    const script = fresh(10)
    return inRooms(
      script,
      Effect.gen(function*() {
        const rooms = yield* Rooms
        const { member, seen } = memberOf()
        let said: Joined | undefined
        yield* rooms.join(ref, member, after, (joined) => (said = joined))
        assert.deepStrictEqual(said, { from_seq: after, last_seq: 10, version: 7 })
        for (const { seq } of steps) yield* push(script, seq)
        yield* rooms.attend
        assert.deepStrictEqual(seen, numbers(after + 1, script.last))
      })
    )
  }
)

it.effect("who joins without a number is given what is said from then on", () => {
  const script = fresh(5)
  return inRooms(
    script,
    Effect.gen(function*() {
      const { member, seen } = memberOf()
      yield* Rooms.use((rooms) => rooms.join(ref, member, undefined, () => {}))
      assert.strictEqual(yield* push(script, 6), 1)
      assert.deepStrictEqual(seen, [6])
    })
  )
})

it.effect("who was away for long is given the last thousand, and told from where", () => {
  const script = fresh(fillMax + 500)
  return inRooms(
    script,
    Effect.gen(function*() {
      const { member, seen } = memberOf()
      let from: number | undefined
      yield* Rooms.use((rooms) => rooms.join(ref, member, 3, ({ from_seq }) => (from = from_seq)))
      assert.strictEqual(from, 500)
      assert.deepStrictEqual(seen, numbers(501, fillMax + 500))
    })
  )
})

it.effect("a gap that cannot be filled yet fails the push, and is filled by the next", () => {
  const script = fresh()
  return inRooms(
    script,
    Effect.gen(function*() {
      const { member, seen } = memberOf()
      yield* Rooms.use((rooms) => rooms.join(ref, member, undefined, () => {}))
      script.away = true
      assert.strictEqual((yield* Effect.flip(push(script, 2)))._tag, "LogicUnavailable")
      assert.deepStrictEqual(seen, [])
      script.away = false
      yield* push(script, 3)
      assert.deepStrictEqual(seen, [1, 2, 3])
    })
  )
})

it.effect("a push that was lost is made up for when the gateway says that it is there", () => {
  const script = fresh()
  return inRooms(
    script,
    Effect.gen(function*() {
      const rooms = yield* Rooms
      const { member, seen } = memberOf()
      yield* rooms.join(ref, member, undefined, () => {})
      script.last = 4
      yield* rooms.attend
      assert.deepStrictEqual(seen, [1, 2, 3, 4])
    })
  )
})

it.effect("the last member to leave says so, and a push for nobody too", () => {
  const script = fresh()
  return inRooms(
    script,
    Effect.gen(function*() {
      const rooms = yield* Rooms
      const [a, b] = [memberOf(), memberOf()]
      for (const { member } of [a, b]) yield* rooms.join(ref, member, undefined, () => {})
      assert.strictEqual(yield* push(script, 1), 2)
      yield* rooms.leave(id, a.member)
      yield* rooms.leave(id, a.member)
      assert.strictEqual(script.left, 0)
      yield* rooms.leave(id, b.member)
      assert.strictEqual(script.left, 1)
      assert.deepStrictEqual(yield* rooms.sessions, [])
      assert.strictEqual(yield* push(script, 2), 0)
      assert.strictEqual(script.left, 2)
    })
  )
})

it.effect("who was told that it has joined is a member, also when what it missed could not be read just then", () => {
  const script = fresh(3)
  return inRooms(
    script,
    Effect.gen(function*() {
      const rooms = yield* Rooms
      const { member, seen } = memberOf()
      yield* rooms.join(ref, member, 1, () => (script.away = true))
      assert.deepStrictEqual(seen, [])
      script.away = false
      yield* rooms.attend
      assert.deepStrictEqual(seen, [2, 3])
      assert.strictEqual(yield* push(script, 4), 1)
      assert.deepStrictEqual(seen, [2, 3, 4])
    })
  )
})

it.effect("who could not join leaves nothing behind", () => {
  const script = { ...fresh(), away: true }
  return inRooms(
    script,
    Effect.gen(function*() {
      const rooms = yield* Rooms
      const { member } = memberOf()
      assert.strictEqual((yield* Effect.flip(rooms.join(ref, member, 0, () => {})))._tag, "LogicUnavailable")
      assert.deepStrictEqual(yield* rooms.sessions, [])
    })
  )
})

it.effect("what a member missed is asked for in a trace that begins at the gateway", () => {
  const script = fresh()
  return inRooms(
    script,
    Effect.gen(function*() {
      const rooms = yield* Rooms
      const { member, seen } = memberOf()
      yield* rooms.join(ref, member, undefined, () => {})
      const attend = Effect.withTracerEnabled(rooms.attend, false)
      const before = (yield* RecordedSpans.all).length
      yield* attend
      script.last = 2
      yield* attend
      assert.deepStrictEqual(seen, [1, 2])
      const spans = (yield* RecordedSpans.all).slice(before)
      assert.deepStrictEqual(spans.map(({ kind, name, parent }) => [name, kind, parent._tag]), [
        ["gateway.grpc.history", "client", "None"]
      ])
    })
  ).pipe(Effect.provide(RecordedSpans.layer))
})
