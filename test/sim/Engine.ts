/** The search engine of a simulation: the index in memory behind an HTTP that loses, refuses, splits and hangs. */
import { Effect, Layer, Result } from "effect"
import { timed } from "../../src/delivery/EngineCall.ts"
import type { Failure } from "../../src/delivery/Failure.ts"
import { Fence } from "../../src/delivery/Fence.ts"
import type { EntityId } from "../../src/domain/Entity.ts"
import type { IndexWrite } from "../../src/search/SearchDocument.ts"
import { SearchIndex, type WriteResult } from "../../src/search/SearchIndex.ts"
import type { Chance } from "./Chance.ts"
import { poison, throttled } from "./Faults.ts"
import type { Process } from "./Kernel.ts"
import { isHeld } from "./Rows.ts"
import type { World } from "./World.ts"

const failed = (failure: Failure): WriteResult => ({ _tag: "Failed", failure })

export class Engine {
  /** What the index took last of each entity. */
  readonly written: Map<EntityId, IndexWrite> = new Map()
  /** Entities whose delivery kills whoever delivers them. */
  readonly killers: Set<EntityId> = new Set()
  /** Those that each process waits for. */
  private readonly requests: Map<Process, Set<ReadonlyArray<IndexWrite>>> = new Map()
  private readonly world: World
  private readonly index: SearchIndex["Service"]
  private readonly kill: (process: Process) => void
  private readonly chance: Chance

  constructor(world: World, index: SearchIndex["Service"], kill: (process: Process) => void) {
    this.world = world
    this.index = index
    this.kill = kill
    this.chance = world.chance("engine")
  }

  private put(from: Process, write: IndexWrite): WriteResult {
    const { kernel, ledger, log } = this.world
    const revision = () => Effect.runSync(Effect.orDie(this.index.stateOf(write.id)))?.revision ?? 0
    const before = revision()
    const result = Effect.runSync(this.index.write([write])).results[0]!
    const after = revision()
    const name = ledger.nameOf(write.id)
    if (after < before) log.violated("2 monotonic", `${name} went back from ${before} to ${after}`, name)
    const known = this.written.get(write.id)
    const isOlderName = result._tag === "Superseded" && known?.version === write.version &&
      JSON.stringify(known.document) !== JSON.stringify(write.document)
    if (isOlderName) log.happened("older name refused")
    if (result._tag === "Written") {
      this.written.set(write.id, write)
      if (write.document === null) log.happened("tombstone written")
    }
    const held = ledger.of(write.id, "search").some((row) => row.hold?.worker === from.name && isHeld(row, kernel.now))
    if (!held) {
      log.happened("zombie write reached the index")
      if (result._tag === "Superseded") log.happened("zombie write superseded")
    }
    return result
  }

  private take(from: Process, write: IndexWrite, throttledShare: number): WriteResult {
    const { faults, ledger, log } = this.world
    const result = faults.mayHarm && ledger.poisoned.has(write.id)
      ? failed(poison)
      : this.chance.of(throttledShare)
      ? failed(throttled)
      : this.put(from, write)
    const words = result._tag === "Failed" ? result.failure.errorType : result._tag
    const what = write.document === null ? "tombstone " : ""
    log.say(from.name, `index ${what}${ledger.nameOf(write.id)}@${write.version} ${words}`)
    return result
  }

  private receive(from: Process, writes: ReadonlyArray<IndexWrite>, share: number, throttledShare: number) {
    const { faults } = this.world
    const kills = faults.mayHarm && writes.some(({ id }) => this.killers.has(id)) && this.chance.of(0.9)
    const first = kills && this.chance.of(0.5)
    if (first) this.kill(from)
    const count = Math.floor(writes.length * share)
    const results = first ? [] : writes.slice(0, count).map((write) => this.take(from, write, throttledShare))
    if (kills && !first) this.kill(from)
    faults.reach(from, "bulk", "applied")
    return results
  }

  private bulk(from: Process, writes: ReadonlyArray<IndexWrite>) {
    const { faults, log, server } = this.world
    return Effect.callback<ReadonlyArray<WriteResult>, Failure>((resume) => {
      const { appliedShare, downMs, refusedAs, throttledShare, upMs } = faults.bulk(from)
      const arrive = () => {
        const results = this.receive(from, writes, appliedShare, throttledShare)
        if (refusedAs !== undefined) {
          log.say(from.name, `bulk of ${writes.length} fails with ${refusedAs.errorType}, ${results.length} written`)
        }
        if (downMs === "never") return log.say(from.name, `bulk of ${writes.length} hangs`)
        const answer = refusedAs === undefined ? Effect.succeed(results) : Effect.fail(refusedAs)
        server.after(downMs, () => from.post(() => resume(answer)))
      }
      server.after(upMs, () => {
        const late = faults.reach(from, "bulk", "sent")
        if (late === 0) return arrive()
        log.happened("request on its way for long")
        log.say(from.name, "bulk: is on its way for long")
        server.after(late, arrive)
      })
    })
  }

  /** A row that has killed its workers is delivered while they deliver nothing else of its projection. */
  private guarded<A, E, R>(from: Process, writes: ReadonlyArray<IndexWrite>, request: Effect.Effect<A, E, R>) {
    const { ledger, log } = this.world
    const isAlone = ({ id }: IndexWrite) =>
      ledger.of(id, "search").some(({ alone, hold }) => alone && hold?.worker === from.name)
    return Effect.suspend(() => {
      const mine = this.requests.get(from) ?? new Set()
      this.requests.set(from, mine)
      mine.add(writes)
      const alone = [...mine].flat().find(isAlone)
      if (alone !== undefined && mine.size > 1) {
        const name = ledger.nameOf(alone.id)
        log.violated("alone", `${name} is delivered by ${from.name} beside ${mine.size - 1} other requests`, name)
      }
      return Effect.ensuring(request, Effect.sync(() => mine.delete(writes)))
    })
  }

  /** As Elasticsearch's own adapter does: fenced, timed, and a refusal of the request is one of every write in it. */
  layer(from: Process) {
    const { log } = this.world
    const write = Effect.fnUntraced({ self: this }, function*(writes: ReadonlyArray<IndexWrite>) {
      const fence = yield* Fence
      yield* Effect.onInterrupt(fence.check, () => Effect.sync(() => log.happened("fenced before a write")))
      const { call, result } = yield* timed("sim.bulk", {}, this.guarded(from, writes, this.bulk(from, writes)))
      const calls = [call]
      if (Result.isSuccess(result)) this.world.breakers.answered(from)
      return Result.isSuccess(result)
        ? { results: result.success, calls }
        : { results: writes.map(() => failed(result.failure)), calls, refused: result.failure }
    })
    return Layer.succeed(SearchIndex, SearchIndex.of({ ...this.index, write }))
  }
}
