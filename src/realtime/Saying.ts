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

/** Transactions at once, and messages in one of them. */
const transactionsMax = 2
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

const rowOf = ({ message: { seq, session_id: id } }: Sent): Change => ({
  kind: "session",
  id,
  version: seq,
  op: "upsert",
  libraryId: null,
  fields: []
})

const saving = <A extends { readonly isNew: boolean }, E, R>(save: Effect.Effect<A, E, R>) =>
  save.pipe(
    Effect.tap(({ isNew }) => Effect.annotateCurrentSpan("db.rows", isNew ? 1 : 0)),
    Effect.withSpan("logic.db.save_message", {
      kind: "client",
      attributes: { "db.table": "realtime_messages", "db.system.name": "postgresql" }
    }, withoutStack)
  )

const exitOf = (said: Said): Exit.Exit<Sent, Failed> =>
  Result.isSuccess(said) ? Exit.succeed(said.success) : Exit.fail(said.failure)

/** How to say something. Inside a transaction of the caller's it is part of that, unless others are being kept. */
export const make = Effect.gen(function*() {
  const sessions = yield* Sessions
  const outbox = yield* Outbox
  const transaction = yield* Transaction
  const run = yield* FiberSet.makeRuntime()
  const waiting: Array<Waiting> = []
  let underway = 0

  const alone = (chat: NewChat) =>
    transaction.run(Effect.gen(function*() {
      const sent = yield* saving(
        Effect.flatMap(sessions.append([chat]), ([said]) => Effect.fromResult(said!))
      )
      if (sent.isNew) yield* outbox.append([rowOf(sent)], ["realtime"])
      return sent
    }))

  const saveAll = Effect.fnUntraced(function*(all: ReadonlyArray<Waiting>) {
    const said = yield* sessions.append(all.map(({ chat }) => chat))
    const fresh = all.flatMap(({ request, span }, at) => {
      const one = said[at]!
      return Result.isSuccess(one) && one.success.isNew ? [{ row: rowOf(one.success), cause: { request, span } }] : []
    })
    yield* outbox.append(fresh.map(({ row }) => row), ["realtime"], fresh.map(({ cause }) => cause)).pipe(
      Effect.withTracerEnabled(true)
    )
    return said
  })

  /** The spans are those of each that waits; the transaction that they share has none. */
  const together = (all: ReadonlyArray<Waiting>) =>
    transaction.run(saveAll(all)).pipe(
      Effect.withTracerEnabled(false),
      Effect.onExit((exit) =>
        Effect.forEach(all, ({ answer }, at) =>
          Deferred.done(answer, Exit.isSuccess(exit) ? exitOf(exit.value[at]!) : Exit.failCause(exit.cause)), {
          discard: true
        })
      ),
      Effect.ensuring(landed),
      Effect.ignoreCause
    )

  const landed: Effect.Effect<void> = Effect.sync(() => {
    underway--
    if (waiting.length === 0) return
    underway++
    run(together(waiting.splice(0, togetherMax)))
  })

  return Effect.fnUntraced(function*(chat: NewChat): Effect.fn.Return<Sent, Failed> {
    const span = yield* Effect.option(Effect.currentParentSpan)
    const request = yield* CurrentRequest
    // No turn of another fiber may come between the look and what follows from it, or nobody would come for who waits.
    return yield* Effect.suspend(() => {
      if (underway < transactionsMax) {
        underway++
        return Effect.ensuring(alone(chat), landed)
      }
      if (waiting.length >= waitingMax) {
        return Effect.fail(new LogicUnavailable({ detail: "too many messages wait to be kept" }))
      }
      const answer = Deferred.makeUnsafe<Sent, Failed>()
      waiting.push({ chat, request, span, answer })
      return saving(Deferred.await(answer)).pipe(
        Effect.withSpan("db.tx", { attributes: { step: "db_tx" } }, withoutStack)
      )
    })
  })
})
