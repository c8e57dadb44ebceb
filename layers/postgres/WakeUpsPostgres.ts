/** Wake-ups over PostgreSQL's NOTIFY, sent after the commit and never more often than twenty times a second. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Deferred, Effect, Layer, Queue, Schedule, Stream } from "effect"
import { WakeUps } from "../../src/outbox/WakeUps.ts"
import { silent } from "./Statement.ts"

export const channel = "wordloom_outbox"

/** A notification takes a lock that all commits share, so it is neither part of one nor sent for each. */
const announceAtMostEvery = "50 millis"

export class Announcer extends Context.Service<Announcer, {
  /** Returns at once; the hint follows when the transaction has committed. */
  readonly announce: Effect.Effect<void>
}>()("wordloom/postgres/Announcer") {}

export const layerAnnouncer = Layer.effect(
  Announcer,
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const wanted = yield* Queue.sliding<void>(1)
    yield* Queue.take(wanted).pipe(
      Effect.andThen(silent(sql.notify(channel, ""))),
      // A hint that is not sent costs an idle worker at most its poll interval.
      Effect.ignore,
      Effect.andThen(Effect.sleep(announceAtMostEvery)),
      Effect.forever,
      Effect.forkScoped
    )
    return Announcer.of({ announce: sql.afterCommit(Effect.asVoid(Queue.offer(wanted, undefined))) })
  })
)

const reconnect = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

/** Listens on a connection of its own for as long as the layer lives. */
export const layer = Layer.effect(
  WakeUps,
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    let count = 0
    let next = yield* Deferred.make<void>()

    const wake = Effect.gen(function*() {
      const woken = next
      count += 1
      next = yield* Deferred.make<void>()
      yield* Deferred.succeed(woken, undefined)
    })

    const listen = Effect.gen(function*() {
      const notifications = yield* sql.listen(channel)
      // Whatever was said while nobody listened is made up for by one look.
      yield* wake
      yield* Stream.runForEach(Stream.fromQueue(notifications), () => wake)
    })

    yield* listen.pipe(Effect.scoped, silent, Effect.retry(reconnect), Effect.forever, Effect.forkScoped)
    const beyond = (known: number): Effect.Effect<void> =>
      Effect.suspend(() => count > known ? Effect.void : Deferred.await(next))
    return { count: Effect.sync(() => count), beyond }
  })
)
