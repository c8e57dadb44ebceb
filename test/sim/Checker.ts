/** What must be true once everything is quiet, whatever happened before. */
import { HashMap } from "effect"
import { stateOf } from "../../layers/memory/SearchSourceMemory.ts"
import type { Contents } from "../../layers/memory/StoreMemory.ts"
import type { EntityId, EntityKind } from "../../src/domain/Entity.ts"
import type { Engine } from "./Engine.ts"
import { type RowFacts, shown } from "./Rows.ts"
import type { Workload } from "./Workload.ts"
import type { World } from "./World.ts"

export interface Quiet {
  readonly world: World
  readonly contents: Contents
  readonly engine: Engine
  readonly workload: Workload
}

const entityOf = ({ entities }: Contents, kind: EntityKind, id: EntityId) => {
  const found = HashMap.get(entities[kind] as HashMap.HashMap<EntityId, never>, id)
  return found._tag === "Some" ? found.value as { readonly version: number } : undefined
}

/** The rows of an entity of which somebody has already been told that they are dead, or that were replayed. */
const isSpecial = (row: RowFacts) => row.everDead || row.replayed

/** 1: the index has the newest version of each entity, and what that looks like. */
const search = ({ contents, engine, workload, world: { ledger, log } }: Quiet): void => {
  for (const [id, truth] of workload.truths) {
    const name = ledger.nameOf(id)
    const entity = entityOf(contents, truth.kind, id)
    const stored = truth.removed ? undefined : truth.version
    if (entity?.version !== stored) {
      log.violated("0 transaction", `${name} is at ${entity?.version}, not ${stored}`, name)
    }
    if (ledger.of(id, "search").some(({ state }) => state === "dead")) continue
    const written = engine.written.get(id)
    if (written?.version !== truth.version) {
      log.violated("1 no loss", `the index has ${name}@${written?.version} and not @${truth.version}`, name)
    }
    const [shown, due] = [written, stateOf(contents, id)].map((state) => JSON.stringify(state?.document ?? null))
    if (shown !== due) log.violated("1 no loss", `the index shows ${shown} for ${name} and not ${due}`, name)
  }
}

/** 1 and 6: one entry per version, and each for the first time after those before it. */
const chronicle = ({ contents, workload, world: { ledger, log } }: Quiet): void => {
  for (const [id, truth] of workload.truths) {
    const name = ledger.nameOf(id)
    const rows = ledger.of(id, "chronicle")
    const versions = contents.entries.filter(({ entity_id }) => entity_id === id).map(({ version }) => version)
    const dead = new Set(rows.filter(({ state }) => state === "dead").map(({ version }) => version))
    const due = Array.from({ length: truth.version }, (_, at) => at + 1)
    const told = due.filter((version) => versions.includes(version) || dead.has(version))
    if (told.length < due.length || new Set(versions).size < versions.length) {
      log.violated("1 no loss", `the chronicle of ${name} is ${versions.join()} of ${due.join()}`, name)
    }
    const special = new Set(rows.filter(isSpecial).map(({ version }) => version))
    const ordinary = versions.filter((version) => !special.has(version))
    if (ordinary.some((version, at) => at > 0 && version < ordinary[at - 1]!)) {
      log.violated("6 order", `the chronicle of ${name} was told as ${versions.join()}`, name)
    }
  }
}

/** 3 and 5: what the outbox says of its rows is what its answers have said. */
const rows = ({ contents, world: { ledger, log } }: Quiet): void => {
  const stored = HashMap.toValues(contents.rows)
  if (stored.length !== ledger.rows.size) {
    log.violated("3 conservation", `${ledger.rows.size} rows were written and ${stored.length} are there`)
  }
  const records = Map.groupBy(contents.attempts, ({ id }) => id)
  for (const { attempts, id, state } of stored) {
    const row = ledger.rows.get(id)
    if (row === undefined) continue
    const is = state._tag === "Finished" ? state.as : "open"
    if (is !== row.state) log.violated("3 conservation", `${shown(row)} is ${is} and was ${row.state}`, row.name)
    if (attempts !== row.attempts) {
      log.violated("5 attempts", `${shown(row)} counts ${attempts} of ${row.attempts} attempts`, row.name)
    }
    const recorded = (records.get(id) ?? []).map(({ attempt }) => attempt)
    if (recorded.join() !== row.recorded.join()) {
      log.violated(
        "5 attempts",
        `${shown(row)} has records of ${recorded.join()}, not ${row.recorded.join()}`,
        row.name
      )
    }
  }
}

/** 8: whoever heard what became of an attempt has told of it, once, in the trace of the request. */
const telemetry = ({ world: { ledger, log, spans } }: Quiet): void => {
  const backwards = [...spans.backwards]
  if (backwards.length > 0) log.violated("8 telemetry", `spans that end before they begin: ${backwards.join(", ")}`)
  const told = Map.groupBy(spans.ofRows, (span) => `${span.name} ${String(span.attributes.get("event_id"))}`)
  for (const row of ledger.rows.values()) {
    const count = (name: string) => told.get(`${name} ${row.id}`)?.length ?? 0
    const processes = [count("outbox.process"), row.traced ? row.processTold : 0] as const
    const losses = [count("outbox.attempt_lost"), row.traced ? row.lostTold : 0] as const
    if (processes[0] !== processes[1] || losses[0] !== losses[1]) {
      const words = `${processes.join(" of ")} attempts and ${losses.join(" of ")} losses`
      log.violated("8 telemetry", `the trace of ${shown(row)} tells ${words}`, row.name)
    }
  }
}

/** 7: among rows that are in order, poison costs the others no more than a turn. */
const calm = ({ world: { ledger, log, options } }: Quiet): void => {
  if (options.profile !== "calm") return
  const bound = 1.2 * options.pollMs + 100 * options.latencyMs + 1_000
  for (const row of ledger.rows.values()) {
    const took = row.endedAt - row.createdAt
    if (!row.replayed && took > bound) {
      log.violated(
        "7 liveness",
        `${shown(row)} took ${took.toFixed(0)} of ${bound.toFixed(0)} ms, and nothing was wrong`,
        row.name
      )
    }
  }
}

export const check = (quiet: Quiet): void => {
  for (const one of [rows, search, chronicle, telemetry, calm]) one(quiet)
}
