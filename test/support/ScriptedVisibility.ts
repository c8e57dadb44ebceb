/** Waiting until a write is found, over an outbox and an index that do as the test says. */
import { Duration, Effect, type Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import { type DeliveryState, DeliveryStatus, type Version } from "../../src/outbox/DeliveryStatus.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { Visibility } from "../../src/search/Visibility.ts"
import { newId } from "./Changes.ts"
import * as RecordedSpans from "./RecordedSpans.ts"
import type { away } from "./Working.ts"

/** What the outbox and the index are to do, and what was asked of them. */
class Script {
  readonly states = new Map<EntityId, DeliveryState>()
  readonly looks: Array<ReadonlyArray<Version>> = []
  refreshes = 0
  look: Effect.Effect<void, Effect.Error<typeof away>> = Effect.void
  refresh: SearchIndex["Service"]["refresh"] = Effect.void

  readonly status = Layer.succeed(
    DeliveryStatus,
    DeliveryStatus.of({
      look: (_, versions) =>
        Effect.suspend(() => {
          this.looks.push(versions)
          return Effect.as(this.look, versions.map(({ id }) => this.states.get(id) ?? "pending"))
        })
    })
  )
  readonly index = Layer.effect(
    SearchIndex,
    Effect.map(SearchIndex, (index) =>
      SearchIndex.of({
        ...index,
        refresh: Effect.suspend(() => {
          this.refreshes += 1
          return this.refresh
        })
      }))
  ).pipe(Layer.provide(SearchIndexMemory.layer))
}

type Needs = Visibility | RecordedSpans.RecordedSpans
export const scripted = <A, E>(
  test: (script: Script) => Effect.Effect<A, E, Needs>,
  spans: Layer.Layer<RecordedSpans.RecordedSpans> = RecordedSpans.layer
) =>
() =>
  Effect.suspend(() => {
    const script = new Script()
    return Effect.provide(
      test(script),
      Visibility.layer.pipe(Layer.provide([script.status, script.index]), Layer.provideMerge(spans))
    )
  })

export const wait = (id: EntityId, patience: Duration.Input = "10 seconds") =>
  Visibility.use((visibility) => visibility.await(id, 1, Duration.fromInputUnsafe(patience)))
export const begun = (id: EntityId, patience?: Duration.Input) =>
  Effect.forkChild(wait(id, patience), { startImmediately: true })
export const many = (count: number) =>
  Effect.forEach(Array.from({ length: count }, newId), (id) => Effect.map(begun(id), (fiber) => ({ fiber, id })))

/** Lets everything run that can, without any time going by. */
export const settled = TestClock.adjust(0)
export const isOver = (fiber: Fiber.Fiber<unknown>) => fiber.pollUnsafe() !== undefined

const { only } = RecordedSpans

/** How the wait ended, as its span tells. */
export const resultOf = Effect.map(
  only("search.wait_visible"),
  (span) => RecordedSpans.attributesOf(span)["result"]
)
