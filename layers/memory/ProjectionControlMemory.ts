/** Pauses and breakers in the store, where claims look. */
import { DateTime, Effect, HashMap, Layer, Option } from "effect"
import type { DatabaseMicros } from "../../src/outbox/Leases.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { ProjectionControl, type ProjectionState } from "../../src/outbox/ProjectionControl.ts"
import { breakersMax, forgottenAfterMinutes, keptNote, keptReason } from "../../src/outbox/ProjectionStatus.ts"
import { type Breaker, type Contents, databaseNow, Store } from "./StoreMemory.ts"

const forgottenAfter = forgottenAfterMinutes * 60_000_000

const timeOf = (at: DatabaseMicros) => DateTime.formatIso(DateTime.makeUnsafe(at / 1_000))

const retryAtOf = ({ note, toldAt }: Breaker) => toldAt + note.retryInMs * 1_000

const shown = (breaker: Breaker) => ({
  worker: breaker.worker,
  state: breaker.note.state,
  errorType: breaker.note.errorType,
  detail: breaker.note.detail,
  retryAt: timeOf(retryAtOf(breaker))
})

const stateOf = (projection: Projection, contents: Contents, now: DatabaseMicros): ProjectionState => {
  const paused = Option.getOrUndefined(HashMap.get(contents.paused, projection))
  return {
    projection,
    pausedAt: paused === undefined ? null : timeOf(paused.at),
    pausedReason: paused?.reason ?? null,
    breakers: contents.breakers
      .filter((breaker) => breaker.projection === projection && now - retryAtOf(breaker) < forgottenAfter)
      .toSorted((a, b) => a.worker < b.worker ? -1 : 1)
      .slice(0, breakersMax)
      .map(shown)
  }
}

export const layer = Layer.effect(
  ProjectionControl,
  Effect.gen(function*() {
    const store = yield* Store

    const change = (next: (contents: Contents, now: DatabaseMicros) => Partial<Contents>) =>
      store.run(Effect.gen(function*() {
        const contents = yield* store.read
        yield* store.write({ ...contents, ...next(contents, yield* databaseNow) })
      }))

    return ProjectionControl.of({
      pause: (projection, reason) =>
        change(({ paused }, at) =>
          HashMap.has(paused, projection)
            ? {}
            : { paused: HashMap.set(paused, projection, { at, reason: keptReason(reason) }) }
        ),

      resume: (projection) => change(({ paused }) => ({ paused: HashMap.remove(paused, projection) })),

      tell: (projection, worker, note) =>
        change(({ breakers }, toldAt) => {
          const others = breakers.filter((one) => one.projection !== projection || one.worker !== worker)
          const told = note === null ? [] : [{ projection, worker, note: keptNote(note), toldAt }]
          return { breakers: [...others, ...told] }
        }),

      states: Effect.gen(function*() {
        const [contents, now] = [yield* store.read, yield* databaseNow]
        return Projection.literals.map((projection) => stateOf(projection, contents, now))
      })
    })
  })
)
