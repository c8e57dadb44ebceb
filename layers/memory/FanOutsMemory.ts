/** New names on their way to the blocks that show them, as a list whose first has its turn. */
import { Effect, HashMap, Layer, Option } from "effect"
import type { Change } from "../../src/domain/Change.ts"
import { type EntityId, EntityId as Id, type EntityOf } from "../../src/domain/Entity.ts"
import { type FanOut, FanOuts, type Renamed } from "../../src/outbox/FanOuts.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import * as EnqueueSpan from "../../src/telemetry/EnqueueSpan.ts"
import { type Contents, Store } from "./StoreMemory.ts"

const first = Id.make("00000000-0000-0000-0000-000000000000")

const isSame = (a: Renamed) => (b: Renamed) => a.id === b.id && a.version === b.version

const shows = ({ id, kind }: Renamed) => ({ library_id, tag_ids }: EntityOf["block"]) =>
  kind === "tag" ? tag_ids.includes(id) : library_id === id

const toChange = ({ id, library_id, version }: EntityOf["block"]): Change => ({
  kind: "block",
  id,
  version,
  op: "upsert",
  libraryId: library_id,
  fields: []
})

const raised = (contents: Contents, ids: ReadonlyArray<EntityId>) =>
  HashMap.setMany(
    contents.reprojections,
    ids.map((id) => [id, 1 + Option.getOrElse(HashMap.get(contents.reprojections, id), () => 0)] as const)
  )

export const layer = Layer.effect(
  FanOuts,
  Effect.gen(function*() {
    const store = yield* Store

    return FanOuts.of({
      begin: Effect.fnUntraced(function*(renamed) {
        const { actor, requestId } = yield* CurrentRequest
        const trace = (yield* EnqueueSpan.cause) ?? null
        const contents = yield* store.read
        const fanOut = { ...renamed, after: first, blocks: 0, trace, requestId, actor }
        yield* store.write({ ...contents, fanOuts: [...contents.fanOuts, fanOut] })
      }),

      pending: Effect.map(store.read, ({ fanOuts }) => fanOuts.length),

      backlog: (max) =>
        Effect.map(store.read, ({ rows }) => {
          const open = HashMap.toValues(rows).filter(({ projection, state }) =>
            projection === "search" && state._tag !== "Finished"
          )
          return Math.min(max, open.length)
        }),

      take: Effect.map(
        store.read,
        ({ fanOuts: [mine, ...others] }) =>
          mine && { ...mine, isSuperseded: others.some(({ id, version }) => id === mine.id && version > mine.version) }
      ),

      advance: Effect.fnUntraced(function*({ isSuperseded, ...fanOut }: FanOut, limit) {
        const contents = yield* store.read
        const blocks = HashMap.toValues(contents.entities.block)
          .filter((block) => block.id > fanOut.after && shows(fanOut)(block))
          .toSorted((a, b) => a.id < b.id ? -1 : 1)
          .slice(0, isSuperseded ? 0 : limit)
        const after = blocks.at(-1)?.id ?? fanOut.after
        const moved = { ...fanOut, after, blocks: fanOut.blocks + blocks.length }
        const others = contents.fanOuts.filter((each) => !isSame(fanOut)(each))
        yield* store.write({
          ...contents,
          fanOuts: blocks.length < limit ? others : [...others, moved],
          reprojections: raised(contents, blocks.map(({ id }) => id))
        })
        return blocks.map(toChange)
      })
    })
  })
)
