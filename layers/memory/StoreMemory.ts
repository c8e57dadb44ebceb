/** Everything that is kept, as one immutable value: a transaction replaces it at its end, or not at all. */
import { Clock, Context, Duration, Effect, HashMap, Layer, Semaphore } from "effect"
import type { ChronicleEntry } from "../../src/chronicle/Chronicle.ts"
import type { EntityId, EntityKind, EntityOf } from "../../src/domain/Entity.ts"
import type { FanOut } from "../../src/outbox/FanOuts.ts"
import type { DatabaseMicros } from "../../src/outbox/Leases.ts"
import type { Projection } from "../../src/outbox/Projection.ts"
import type { BreakerNote } from "../../src/outbox/ProjectionControl.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import type { SessionMessage } from "../../src/realtime/Session.ts"
import type { Counts } from "../../src/search/Drift.ts"
import { allFree, type Lane } from "./Lanes.ts"
import type { Attempt, Row } from "./OutboxRow.ts"

export interface Breaker {
  readonly projection: Projection
  readonly worker: string
  readonly note: BreakerNote
  readonly toldAt: DatabaseMicros
}

export interface OpenSession {
  readonly openUntil: DatabaseMicros
  /** The first has number 1. */
  readonly messages: ReadonlyArray<SessionMessage>
}

export interface AttendingGateway {
  readonly address: string
  readonly seenAt: DatabaseMicros
  readonly sessions: ReadonlyArray<EntityId>
}

export interface Contents {
  readonly entities: { readonly [K in EntityKind]: HashMap.HashMap<EntityId, EntityOf[K]> }
  /** What removed entities were at last. */
  readonly removed: HashMap.HashMap<
    EntityId,
    { readonly kind: EntityKind; readonly version: number; readonly at: DatabaseMicros }
  >
  /** How often an entity was projected anew without a change of its own; 0 where nothing is said. */
  readonly reprojections: HashMap.HashMap<EntityId, number>
  /** The one whose turn was longest ago is the first. */
  readonly fanOuts: ReadonlyArray<Omit<FanOut, "isSuperseded">>
  readonly rows: HashMap.HashMap<number, Row>
  readonly lanes: ReadonlyArray<Lane>
  readonly attempts: ReadonlyArray<Attempt>
  /** In the order in which they were added. */
  readonly entries: ReadonlyArray<ChronicleEntry>
  /** The outboxes that give out nothing for a while. */
  readonly paused: HashMap.HashMap<Projection, { readonly at: DatabaseMicros; readonly reason: string | null }>
  readonly breakers: ReadonlyArray<Breaker>
  /** When a comparison with the index last began, and what the last one that ended found. */
  readonly reconciled: { readonly begunAt: DatabaseMicros; readonly found: Counts | undefined }
  readonly sessions: HashMap.HashMap<EntityId, OpenSession>
  readonly gateways: HashMap.HashMap<string, AttendingGateway>
  readonly answers: HashMap.HashMap<string, { readonly said: string; readonly answer: string }>
  /** Of rows and of claims: no number is used twice. */
  readonly lastNumber: number
}

export const empty: Contents = {
  entities: { tag: HashMap.empty(), library: HashMap.empty(), block: HashMap.empty() },
  removed: HashMap.empty(),
  reprojections: HashMap.empty(),
  fanOuts: [],
  rows: HashMap.empty(),
  lanes: allFree,
  attempts: [],
  entries: [],
  paused: HashMap.empty(),
  breakers: [],
  reconciled: { begunAt: 0, found: undefined },
  sessions: HashMap.empty(),
  gateways: HashMap.empty(),
  answers: HashMap.empty(),
  lastNumber: 0
}

interface Cell {
  contents: Contents
}

/** What the transaction of this fiber has made of the contents so far. */
const Working = Context.Reference<Cell | undefined>("wordloom/memory/Working", { defaultValue: () => undefined })

export class Store extends Context.Service<Store, {
  /** What is committed; inside a transaction, what that has written. */
  readonly read: Effect.Effect<Contents>
  /** Must run inside `run`. */
  readonly write: (contents: Contents) => Effect.Effect<void>
  readonly run: Transaction["Service"]["run"]
}>()("wordloom/memory/Store") {
  static readonly layer = Layer.effect(
    Store,
    Effect.gen(function*() {
      const committed: Cell = { contents: empty }
      // One transaction at a time: whatever one has read is still so when it writes.
      const turn = yield* Semaphore.make(1)

      const commit = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.suspend(() => {
          const working = { ...committed }
          return Effect.tap(Effect.provideService(effect, Working, working), () =>
            Effect.sync(() => {
              committed.contents = working.contents
            }))
        })

      return Store.of({
        read: Effect.map(Working, (working) => (working ?? committed).contents),
        write: (contents) =>
          Effect.flatMap(Working, (working) =>
            working === undefined
              ? Effect.die(new Error("a write outside of Transaction.run"))
              : Effect.sync(() => {
                working.contents = contents
              })),
        run: (effect) =>
          Effect.flatMap(Working, (working) => working === undefined ? turn.withPermit(commit(effect)) : effect)
      })
    })
  )
}

/** As the store counts time. */
export const micros = (duration: Duration.Duration): DatabaseMicros => Duration.toMillis(duration) * 1_000

/** The store's clock. */
export const databaseNow: Effect.Effect<DatabaseMicros> = Effect.map(
  Clock.currentTimeNanos,
  (now) => Number(now / 1_000n)
)

export const layerTransaction = Layer.effect(Transaction, Effect.map(Store, ({ run }) => Transaction.of({ run })))
