/** Many who ask the same at about the same time, and one question for all of them. */
import { Clock, Deferred, Duration, Effect, Exit, Queue } from "effect"

/** Between two runs, at least: about as long as it takes until the answer can be another one. */
const pauseMin = Duration.millis(2)

/**
 * Runs `answer` for all who ask, one run at a time: who asks while one is under way is served by the next, so that
 * nobody gets an answer from before the question. A pause follows each run, as long as the run itself took: however
 * many ask, at most half of the time is spent on them.
 */
export const together = Effect.fnUntraced(function*<Q, A, E, R>(
  answer: (asked: ReadonlyArray<Q>) => Effect.Effect<ReadonlyArray<A>, E, R>
) {
  const asked = yield* Queue.unbounded<{ readonly question: Q; readonly answered: Deferred.Deferred<A, E> }>()

  const turn = Effect.gen(function*() {
    const all = yield* Queue.takeAll(asked)
    const began = yield* Clock.currentTimeNanos
    const exit = yield* Effect.exit(answer(all.map(({ question }) => question)))
    for (const [at, { answered }] of all.entries()) {
      Deferred.doneUnsafe(answered, Exit.map(exit, (answers) => answers[at]!))
    }
    const took = Duration.nanos((yield* Clock.currentTimeNanos) - began)
    yield* Effect.sleep(Duration.max(took, pauseMin))
  })
  yield* Effect.forkScoped(Effect.forever(turn))

  return (question: Q): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const answered = Deferred.makeUnsafe<A, E>()
      Queue.offerUnsafe(asked, { question, answered })
      return Deferred.await(answered)
    })
})
