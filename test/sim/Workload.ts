/** What people write meanwhile: many versions of few entities, some of them refused or taken back. */
import { type Context, Effect, Exit, HashMap, Option } from "effect"
import { Store } from "../../layers/memory/StoreMemory.ts"
import { Catalog } from "../../src/catalog/Catalog.ts"
import type { Entity, EntityId, EntityKind } from "../../src/domain/Entity.ts"
import { Transaction } from "../../src/outbox/Transaction.ts"
import type { Chance } from "./Chance.ts"
import type { Engine } from "./Engine.ts"
import type { Stores } from "./Stores.ts"
import { brokenBy, contextOf, launch, type World } from "./World.ts"

/** What the world ought to know of an entity. */
export interface Truth {
  readonly kind: EntityKind
  version: number
  removed: boolean
  tagIds: ReadonlyArray<EntityId>
}

interface Write {
  readonly words: string
  /** Answers the versions that it made. */
  readonly effect: Effect.Effect<ReadonlyArray<readonly [EntityId, number]>, unknown, Catalog>
  readonly commit: () => void
}

export class Workload {
  readonly truths: Map<EntityId, Truth> = new Map()
  /** Writes that have ended. */
  ended = 0
  private readonly world: World
  private readonly stores: Context.Context<Stores>
  private readonly engine: Engine
  private readonly hint: () => void
  private readonly chance: Chance
  private seen = 0
  private texts = 0

  constructor(world: World, stores: Context.Context<Stores>, engine: Engine, hint: () => void) {
    this.world = world
    this.stores = stores
    this.engine = engine
    this.hint = hint
    this.chance = world.chance("workload")
  }

  /** Spread over the span, some of them in bursts. */
  begin(): void {
    const { options: { spanMs, writes }, server } = this.world
    let at = 0
    for (let index = 0; index < writes; index++) {
      if (!this.chance.of(0.4)) at = this.chance.between(0, spanMs)
      server.after(index === 0 ? 0 : at, () => this.write())
    }
  }

  private alive(kind?: EntityKind): ReadonlyArray<EntityId> {
    return [...this.truths].flatMap(([id, truth]) =>
      truth.removed || (kind !== undefined && truth.kind !== kind) ? [] : [id]
    )
  }

  private text(): string {
    return `text ${++this.texts}`
  }

  private next(): Write {
    const alive = this.alive()
    if (alive.length < this.world.options.entities && (alive.length === 0 || this.chance.of(0.5))) return this.create()
    const id = this.chance.one(alive)
    const truth = this.truths.get(id)!
    const inUse = truth.kind === "library" && this.alive("block").length > 0
    return this.chance.of(0.2) && !inUse ? this.remove(id, truth) : this.change(id, truth)
  }

  private create(): Write {
    const [library] = this.alive("library")
    const tagIds = this.alive("tag").filter(() => this.chance.of(0.5))
    const kind = library === undefined ? "library" : this.chance.one(["tag", "block", "block"] as const)
    const name = this.text()
    const catalog = Catalog.use((catalog): Effect.Effect<Entity, unknown> =>
      kind === "block"
        ? catalog.create("block", { library_id: library!, title: name, body: "", tag_ids: tagIds })
        : kind === "tag"
        ? catalog.create("tag", { name, color: "#000000" })
        : catalog.create("library", { name })
    )
    let made: EntityId | undefined
    return {
      words: `creates a ${kind}`,
      effect: Effect.map(catalog, ({ id, version }) => [[made = id, version]] as const),
      commit: () => {
        this.truths.set(made!, { kind, version: 1, removed: false, tagIds: kind === "block" ? tagIds : [] })
        if (this.chance.of(this.world.options.poisonShare)) this.world.ledger.poisoned.add(made!)
        if (this.chance.of(this.world.options.killerShare)) this.engine.killers.add(made!)
      }
    }
  }

  private change(id: EntityId, truth: Truth): Write {
    const stale = this.chance.of(0.1) && truth.version > 1
    const expected = stale ? truth.version - 1 : this.chance.of(0.5) ? truth.version : undefined
    const { kind } = truth
    const text = this.text()
    const catalog = Catalog.use((catalog): Effect.Effect<Entity, unknown> =>
      kind === "block"
        ? catalog.change("block", id, { title: text }, expected)
        : catalog.change(kind, id, { name: text }, expected)
    )
    return {
      words: `changes ${this.world.ledger.nameOf(id)}${stale ? " as it was" : ""}`,
      effect: Effect.map(catalog, ({ version }) => [[id, version]] as const),
      commit: () => void truth.version++
    }
  }

  private remove(id: EntityId, truth: Truth): Write {
    const untagged = truth.kind === "tag"
      ? [...this.truths].filter(([, other]) => !other.removed && other.tagIds.includes(id))
      : []
    const made = [
      ...untagged.map(([block, { version }]) => [block, version + 1] as const),
      [id, truth.version + 1] as const
    ]
    return {
      words: `removes ${this.world.ledger.nameOf(id)}`,
      effect: Effect.as(Catalog.use((catalog) => catalog.remove(truth.kind, id, undefined)), made),
      commit: () => {
        truth.version++
        truth.removed = true
        for (const [, block] of untagged) {
          block.version++
          block.tagIds = block.tagIds.filter((tag) => tag !== id)
        }
      }
    }
  }

  private write(): void {
    const { log } = this.world
    const { commit, effect, words } = this.next()
    const aborts = this.chance.of(0.06)
    const fails = !aborts && this.chance.of(0.06)
    const traced = this.chance.of(0.8)
    const takenBack = Transaction.use(({ run }) => run(Effect.andThen(effect, Effect.fail("taken back"))))
    const write = Effect.andThen(
      Effect.sync(() => void (this.world.api.appendFails = fails)),
      aborts ? takenBack : effect
    )
    const committing = write.pipe(
      Effect.withSpan("request", { kind: "server", root: true }),
      Effect.withTracerEnabled(traced),
      Effect.tap((made) =>
        Store.use(({ read }) =>
          Effect.map(read, (contents) => {
            commit()
            this.look(contents, made, traced)
          })
        )
      ),
      Effect.provideContext(this.stores)
    )
    log.say("api", `${words}${aborts ? ", and takes it back" : fails ? ", and its rows cannot be left" : ""}`)
    launch(this.world.server, contextOf(this.world, this.world.server), committing, (exit) => {
      this.ended++
      this.world.api.appendFails = false
      if (Exit.isSuccess(exit)) return this.hint()
      const text = String(exit.cause)
      if (aborts || text.includes("StoreUnavailable")) log.happened("write aborted")
      else if (text.includes("VersionMismatch")) log.happened("version conflict refused")
      else brokenBy(this.world, `a write that ${words}`, exit.cause)
    })
  }

  /** Takes note of the rows that a commit left, and compares them with what it wrote. */
  private look(
    contents: Effect.Success<Store["Service"]["read"]>,
    made: ReadonlyArray<readonly [EntityId, number]>,
    traced: boolean
  ): void {
    const { ledger, log } = this.world
    const left: Array<string> = []
    for (let id = this.seen + 1; id <= contents.lastNumber; id++) {
      const row = Option.getOrUndefined(HashMap.get(contents.rows, id))
      if (row === undefined || ledger.rows.has(id)) continue
      const { change: { id: entity, kind, op, version }, projection } = row
      if (!ledger.names.has(entity)) ledger.names.set(entity, `${kind}${ledger.names.size + 1}`)
      const name = ledger.nameOf(entity)
      ledger.appended({ id, projection, entity, name, version, op, traced: row.trace !== null })
      left.push(`${projection} ${entity} ${version}`)
      log.say("api", `commits #${id} ${name}@${version} ${op} for ${projection}`)
      if (traced !== (row.trace !== null)) log.violated("8 telemetry", `#${id} ${name} has no trace`, name)
    }
    this.seen = contents.lastNumber
    const due = made.flatMap(([id, version]) => [`search ${id} ${version}`, `chronicle ${id} ${version}`])
    if (due.toSorted().join() !== left.toSorted().join()) {
      log.violated("0 transaction", `wrote ${due.join(", ")} and left ${left.join(", ")}`)
    }
  }
}
