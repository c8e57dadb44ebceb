/**
 * Commits what clients say. Whoever comes while others are committed waits for them, and is committed together with all
 * who wait: one transaction costs little more for many messages than for one.
 */
import { Deferred, Effect, Exit, FiberSet, type Option, Result, type Tracer } from "effect"
import type { Change } from "../domain/Change.ts"
import { Outbox } from "../outbox/Outbox.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import { Transaction } from "../outbox/Transaction.ts"
import { CurrentRequest } from "../telemetry/CurrentRequest.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { LogicUnavailable, type MessageIdReused, type SessionUnknown } from "./RealtimeErrors.ts"
import { type NewChat, type Said, type Sent, Sessions } from "./Sessions.ts"

/** Transactions of one message each at once, and messages in one that is for several. */
const aloneMax = 2
const togetherMax = 512
/** More are told to come again. */
const waitingMax = 4_096

type Failed = SessionUnknown | MessageIdReused | StoreUnavailable | LogicUnavailable

interface Waiting {
  readonly chat: NewChat
  readonly request: CurrentRequest
  readonly span: Option.Option<Tracer.AnySpan>
  readonly answer: Deferred.Deferred<Sent, Failed>
}

/** Those that are kept by one transaction after the other. */
interface Line {
  readonly append: (
    chats: ReadonlyArray<NewChat>
  ) => Effect.Effect<ReadonlyArray<Said | undefined>, StoreUnavailable>
  readonly waiting: Array<Waiting>
  isUnderway: boolean
}

const rowOf = ({ message: { seq, session_id: id } }: Sent): Change => ({
  kind: "session",
  id,
  version: seq,
  op: "upsert",
  libraryId: null,
  fields: []
})

const saving = <A extends { readonly isNew: boolean } | undefined, E, R>(save: Effect.Effect<A, E, R>) =>
  save.pipe(
    Effect.tap((sent) => Effect.annotateCurrentSpan("db.rows", sent?.isNew === true ? 1 : 0)),
    Effect.withSpan("logic.db.save_message", {
      kind: "client",
      attributes: { "db.table": "realtime_messages", "db.system.name": "postgresql" }
    }, withoutStack)
  )

const exitOf = (said: Said): Exit.Exit<Sent, Failed> =>
  Result.isSuccess(said) ? Exit.succeed(said.success) : Exit.fail(said.failure)

/**
 * How to say something. Inside a transaction of the caller's it is part of that, unless others are being kept.
 *
 * Who finds its session held by somebody else waits in a line of its own, so that it holds up no other session.
 */
export const make = Effect.gen(function*() {
  const sessions = yield* Sessions
  const outbox = yield* Outbox
  const transaction = yield* Transaction
  const run = yield* FiberSet.makeRuntime()
  const free: Line = { append: sessions.appendFree, waiting: [], isUnderway: false }
  const held: Line = { append: sessions.append, waiting: [], isUnderway: false }
  let alone = 0

  const saveOne = (chat: NewChat) =>
    transaction.run(Effect.gen(function*() {
      const sent = yield* saving(
        Effect.flatMap(
          sessions.appendFree([chat]),
          ([said]) => said === undefined ? Effect.succeed(undefined) : Effect.fromResult(said)
        )
      )
      if (sent?.isNew === true) yield* outbox.append([rowOf(sent)], ["realtime"])
      return sent
    }))

  const saveAll = Effect.fnUntraced(function*(all: ReadonlyArray<Waiting>, { append }: Line) {
    const said = yield* append(all.map(({ chat }) => chat))
    const fresh = all.flatMap(({ request, span }, at) => {
      const one = said[at]
      return one !== undefined && Result.isSuccess(one) && one.success.isNew
        ? [{ row: rowOf(one.success), cause: { request, span } }]
        : []
    })
    yield* outbox.append(fresh.map(({ row }) => row), ["realtime"], fresh.map(({ cause }) => cause)).pipe(
      Effect.withTracerEnabled(true)
    )
    return said
  })

  const settle = (all: ReadonlyArray<Waiting>, exit: Exit.Exit<ReadonlyArray<Said | undefined>, StoreUnavailable>) => {
    all.forEach((one, at) => {
      const said = Exit.isSuccess(exit) ? exit.value[at] : undefined
      if (Exit.isFailure(exit)) Deferred.doneUnsafe(one.answer, Exit.failCause(exit.cause))
      else if (said === undefined) held.waiting.push(one)
      else Deferred.doneUnsafe(one.answer, exitOf(said))
    })
    go(held)
  }

  /** The spans are those of each that waits; the transaction that they share has none. */
  const go = (line: Line): void => {
    if (line.isUnderway || line.waiting.length === 0) return
    line.isUnderway = true
    const all = line.waiting.splice(0, togetherMax)
    run(
      transaction.run(saveAll(all, line)).pipe(
        Effect.withTracerEnabled(false),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            line.isUnderway = false
            settle(all, exit)
            go(line)
          })
        ),
        Effect.ignoreCause
      )
    )
  }

  const queued = (line: Line, one: Omit<Waiting, "answer">) =>
    Effect.suspend(() => {
      if (free.waiting.length + held.waiting.length >= waitingMax) {
        return Effect.fail(new LogicUnavailable({ detail: "too many messages wait to be kept" }))
      }
      const answer = Deferred.makeUnsafe<Sent, Failed>()
      line.waiting.push({ ...one, answer })
      if (line === held || alone === 0) go(line)
      return saving(Deferred.await(answer)).pipe(
        Effect.withSpan("db.tx", { attributes: { step: "db_tx" } }, withoutStack)
      )
    })

  const landed = Effect.sync(() => {
    alone--
    go(free)
  })

  return Effect.fnUntraced(function*(chat: NewChat): Effect.fn.Return<Sent, Failed> {
    const span = yield* Effect.option(Effect.currentParentSpan)
    const request = yield* CurrentRequest
    const one = { chat, request, span }
    // No turn of another fiber may come between the look and what follows from it, or nobody would come for who waits.
    const sent = yield* Effect.suspend(() => {
      if (free.isUnderway || alone >= aloneMax) return queued(free, one)
      alone++
      return Effect.ensuring(saveOne(chat), landed)
    })
    return sent ?? (yield* queued(held, one))
  })
})
