/**
 * The members that one gateway holds, by session. Each member gets every message once and in order, whatever comes
 * twice, late or not at all: it knows the last number that it was given, and what is missing is read from the history.
 */
import { Context, Effect, Layer, Semaphore } from "effect"
import type { EntityId } from "../domain/Entity.ts"
import type { TraceContext } from "../domain/TraceContext.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { asking } from "./Asking.ts"
import { encode, encodeMessage } from "./Frames.ts"
import type { Gateway, Head } from "./Presence.ts"
import type { LogicUnavailable, MessageInvalid, SessionUnknown } from "./RealtimeErrors.ts"
import { formatRef, pageMax, type SessionMessage, type SessionRef } from "./Session.ts"
import { expiredOf, type Page } from "./Sessions.ts"

/** Messages that a member who comes back is sent by itself; what is older it may ask for. */
export const fillMax = 1_000

export interface Member {
  /** Never waits. Whoever takes too long to read is closed, and says so by `isGone`. */
  readonly deliver: (frame: string) => void
  /** Returns once most of what was delivered has been read, or nobody reads any more. */
  readonly drained: Effect.Effect<void>
  readonly isGone: () => boolean
}

interface Room {
  readonly ref: SessionRef
  /** The last number that each was given. */
  readonly members: Map<Member, number>
  /** Whoever gives messages to its members. */
  readonly giving: Semaphore.Semaphore
  /** Whoever comes first or goes last. */
  readonly door: Semaphore.Semaphore
  /** Those that are inside or on their way; the room is gone with the last of them. */
  holders: number
}

export interface Joined {
  readonly from_seq: number
  readonly last_seq: number
  readonly version: number
}

type Failed = SessionUnknown | MessageInvalid | LogicUnavailable

export class Rooms extends Context.Service<Rooms, {
  /** `told` is called before the first message is given. */
  readonly join: (
    ref: SessionRef,
    member: Member,
    after: number | undefined,
    told: (joined: Joined) => void
  ) => Effect.Effect<void, Failed>
  readonly leave: (session: EntityId, member: Member) => Effect.Effect<void>
  /** How many members the session has here. */
  readonly push: (message: SessionMessage, trace: TraceContext | null) => Effect.Effect<number, Failed>
  /** Says that this gateway is there, and gives its members what they miss. */
  readonly attend: Effect.Effect<void, MessageInvalid | LogicUnavailable>
  readonly sessions: Effect.Effect<ReadonlyArray<EntityId>>
}>()("wordloom/realtime/Rooms") {
  static readonly layer = (gateway: Gateway) => Layer.effect(Rooms, make(gateway))
}

const make = Effect.fnUntraced(function*(gateway: Gateway) {
  const logic = yield* asking
  const rooms = new Map<EntityId, Room>()

  const enter = (ref: SessionRef) => {
    const room = rooms.get(ref.id) ?? {
      ref,
      members: new Map(),
      giving: Semaphore.makeUnsafe(1),
      door: Semaphore.makeUnsafe(1),
      holders: 0
    }
    rooms.set(ref.id, room)
    Metrics.realtimeSessions.setUnsafe({}, rooms.size)
    room.holders++
    return room
  }

  /** The last one to go says so; whoever comes meanwhile waits at the door and says the opposite after it. */
  const exit = (room: Room) =>
    room.door.withPermit(Effect.suspend(() => {
      room.holders--
      if (room.holders > 0) return Effect.void
      rooms.delete(room.ref.id)
      Metrics.realtimeSessions.setUnsafe({}, rooms.size)
      // What is not said costs a push for nobody.
      return Effect.ignore(logic.leave(gateway.gateway_id, room.ref.id))
    }))

  /** To whom it is new; answers how many that were. */
  const give = (room: Room, message: SessionMessage, frame: string) => {
    let given = 0
    for (const [member, at] of room.members) {
      if (message.seq <= at) continue
      room.members.set(member, message.seq)
      member.deliver(frame)
      given++
    }
    return given
  }

  /** Reads what is missing after `from` and hands it on, page by page, until the session's last number. */
  const missed = Effect.fnUntraced(function*(
    ref: SessionRef,
    from: number,
    hand: (messages: ReadonlyArray<SessionMessage>, through: number, page: Page) => Effect.Effect<boolean>
  ) {
    for (let after = from;;) {
      const page = yield* logic.history(ref.id, after, pageMax)
      const { last_seq, messages } = page
      // What is not kept any more is not waited for.
      const through = messages.length < pageMax ? last_seq : messages.at(-1)!.seq
      yield* Metrics.realtimeMessages.add(filled, messages.length)
      const goOn = yield* hand(messages, Math.max(after, through), page)
      if (!goOn || through >= last_seq) return
      after = through
    }
  })

  /** Under `giving`. */
  const fill = (room: Room) =>
    missed(room.ref, Math.min(...room.members.values()), (messages, through) =>
      Effect.suspend(() => {
        let given = 0
        for (const message of messages) given += give(room, message, encodeMessage(room.ref, message, null))
        for (const [member, at] of room.members) room.members.set(member, Math.max(at, through))
        return Effect.as(Metrics.realtimeMessages.add(sent, given), room.members.size > 0)
      }))

  const join = Effect.fnUntraced(function*(
    ref: SessionRef,
    member: Member,
    after: number | undefined,
    told: (joined: Joined) => void
  ) {
    const room = enter(ref)
    return yield* Effect.gen(function*() {
      const { last_seq, version } = yield* room.door.withPermit(logic.join(ref, gateway))
      const from_seq = Math.max(Math.min(after ?? last_seq, last_seq), last_seq - fillMax)
      told({ from_seq, last_seq, version })
      let at = from_seq
      let kind: "fresh" | "resumed" | "expired" = after === undefined ? "fresh" : "resumed"
      // As fast as the client reads, and so not while others wait.
      if (at < last_seq) {
        yield* orLater(missed(ref, at, (messages, through, page) => {
          const expired = expiredOf(at, page)
          if (expired !== undefined) {
            kind = "expired"
            member.deliver(encode({ type: "expired", session: formatRef(ref), ...expired }))
          }
          for (const message of messages) member.deliver(encodeMessage(ref, message, null))
          at = through
          const counted = Metrics.realtimeMessages.add(sent, messages.length)
          return Effect.map(Effect.andThen(counted, member.drained), () => !member.isGone())
        }))
      }
      yield* Metrics.realtimeJoins.add({ kind })
      yield* room.giving.withPermit(Effect.suspend(() => {
        room.members.set(member, at)
        return orLater(fill(room))
      }))
    }).pipe(Effect.onError(() => leaveRoom(room, member)))
  })

  const leaveRoom = (room: Room, member: Member) =>
    Effect.suspend(() => {
      room.members.delete(member)
      return exit(room)
    })

  const push = Effect.fnUntraced(function*(message: SessionMessage, trace: TraceContext | null) {
    const room = rooms.get(message.session_id)
    if (room === undefined) {
      yield* Effect.ignore(logic.leave(gateway.gateway_id, message.session_id))
      return 0
    }
    yield* room.giving.withPermit(Effect.suspend(() => {
      const isNext = [...room.members.values()].every((at) => message.seq <= at + 1)
      if (!isNext) return fill(room)
      return Metrics.realtimeMessages.add(sent, give(room, message, encodeMessage(room.ref, message, trace)))
    }))
    return room.members.size
  })

  /** Nobody asked for a gateway's word; but what it has to ask logic for is worth a trace, and not half of one. */
  const traced = Effect.withTracerEnabled(true)

  const catchUp = ({ last_seq, session_id }: Head) =>
    Effect.suspend(() => {
      const room = rooms.get(session_id)
      if (room === undefined) return Effect.void
      return room.giving.withPermit(
        Effect.suspend(() => [...room.members.values()].some((at) => at < last_seq) ? traced(fill(room)) : Effect.void)
      )
    })

  const attend = Effect.gen(function*() {
    const heads = yield* logic.attend(gateway, [...rooms.keys()])
    yield* Effect.forEach(
      heads,
      (head) => Effect.catchTag(catchUp(head), "SessionUnknown", () => Effect.void),
      { concurrency: 8, discard: true }
    )
  })

  return Rooms.of({
    join,
    leave: (session, member) =>
      Effect.suspend(() => {
        const room = rooms.get(session)
        return room?.members.has(member) === true ? leaveRoom(room, member) : Effect.void
      }),
    push,
    attend,
    sessions: Effect.sync(() => [...rooms.keys()])
  })
})

/** Who was told that it has joined stays: the next push or the gateway's next word gives it what could not be read. */
const orLater = (reading: Effect.Effect<void, Failed>) =>
  Effect.catch(reading, (error) => Effect.logWarning("a member gets what it missed later", error))

const filled = { direction: "filled", result: "ok" } as const
const sent = { direction: "sent", result: "ok" } as const
