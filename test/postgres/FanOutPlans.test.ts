/** A chunk costs little, on however few or many of the blocks the new name is, and so does the look before. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { advance, backlog } from "../../layers/postgres/FanOutsPostgres.ts"
import { EntityId } from "../../src/domain/Entity.ts"
import { fresh } from "../support/Backstage.ts"
import { newId } from "../support/Changes.ts"
import { buffersOf, explain, nodesOf } from "../support/Explain.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const count = 50_000
const first = EntityId.make("00000000-0000-0000-0000-000000000000")

const fanOutOf = (kind: "tag" | "library", id: EntityId) => ({
  kind,
  id,
  version: 2,
  after: first,
  blocks: 0,
  isSuperseded: false,
  trace: null,
  requestId: null,
  actor: "anonymous"
})

/** Blocks of two libraries; every second one has the frequent tag, one in five thousand the rare one. */
const shelves = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [frequent, rare, large, small] = [newId(), newId(), newId(), newId()]
  yield* sql`insert into libraries (id, name) values (${large}::uuid, 'large'), (${small}::uuid, 'small')`
  yield* sql`
    insert into blocks (id, library_id, title, body, tag_ids)
    select gen_random_uuid(), case when n % 5000 = 0 then ${small}::uuid else ${large}::uuid end, 'a title', 'a body',
      case when n % 2 = 0 then array[${frequent}::uuid] else '{}' end
      || case when n % 5000 = 1 then array[${rare}::uuid] else '{}' end
    from generate_series(1, ${count}::int) as n`
  yield* sql`analyze blocks`
  return { frequent, rare, large, small }
})

layer(PostgresStores.layer, { excludeTestServices: true })("the plan", (it) => {
  it.effect("of a chunk follows what is frequent along the ids, and finds what is rare by its index", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { frequent, large, rare, small } = yield* shelves
      const indexesOf = Effect.fnUntraced(function*(kind: "tag" | "library", id: EntityId) {
        const plan = yield* explain(advance(sql, fanOutOf(kind, id), 500), "force_custom_plan")
        const shown = nodesOf(plan).find((node) => node["Node Type"] === "LockRows")
        const nodes = nodesOf(shown!)
        assert.isFalse(nodes.some((node) => node["Node Type"] === "Seq Scan"), JSON.stringify(plan, undefined, 1))
        // A walk along the ids for what is rare, or a look at all that is frequent, would read some thousands.
        assert.isBelow(buffersOf(nodes[1]!), 1_500, JSON.stringify(plan, undefined, 1))
        return nodes.flatMap((node) => node["Index Name"] ?? [])
      })
      assert.deepStrictEqual(yield* indexesOf("tag", frequent), ["blocks_pkey"])
      assert.deepStrictEqual(yield* indexesOf("tag", rare), ["blocks_tag_ids"])
      assert.deepStrictEqual(yield* indexesOf("library", large), ["blocks_pkey"])
      assert.deepStrictEqual(yield* indexesOf("library", small), ["blocks_library_id"])
    }).pipe(fresh))

  it.effect("of the look at the backlog reads no more of a large one than its bound", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`insert into outbox_search (entity_type, entity_id, entity_version, op, state)
        select 'tag', gen_random_uuid(), 1, 'upsert', n % 2 from generate_series(1, ${count}::int) as n`
      yield* sql`analyze outbox_search`
      for (const mode of ["force_custom_plan", "force_generic_plan"] as const) {
        const plan = yield* explain(backlog(sql, 100), mode)
        assert.isBelow(buffersOf(plan), 500, JSON.stringify(plan, undefined, 1))
      }
      const [row] = yield* backlog(sql, 100)
      assert.strictEqual(row!.count, 100)
    }).pipe(fresh))
})
