/** Wake-ups over PostgreSQL's NOTIFY, sent after the commit and ever less often the more there are. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Deferred, Duration, Effect, Layer, Queue, Schedule, Stream } from "effect"
import { WakeUps } from "../../src/outbox/WakeUps.ts"
import { silent } from "./Statement.ts"

export const channel = "wordloom_outbox"

/**
 * A notification takes a lock that all commits share, so it is neither part of one nor sent for each. While commits are
 * rare the next hint may follow at once; while they are not, the pause doubles up to a twentieth of a second.
 */
const pause = { shortest: Duration.millis(1), longest: Duration.millis(50) }

export class Announcer extends Context.Service<Announcer, {
  /** Returns at once; the hint follows when the transaction has committed. */
  readonly announce: Effect.Effect<void>
}>()("wordloom/postgres/Announcer") {}

export const layerAnnouncer = Layer.effect(
  Announcer,
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const wanted = yield* Queue.sliding<void>(1)
    const sending = Effect.gen(function*() {
      let wait = pause.shortest
      for (;;) {
        yield* Queue.take(wanted)
        // A hint that is not sent costs an idle worker at most its poll interval.
        yield* Effect.ignore(silent(sql.notify(channel, "")))
        yield* Effect.sleep(wait)
        const many = (yield* Queue.size(wanted)) > 0
        wait = many ? Duration.min(Duration.times(wait, 2), pause.longest) : pause.shortest
      }
    })
    yield* Effect.forkScoped(sending)
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
