/** A row whose trace turns out worth it later is told as it was. */
import { assert, describe, it } from "@effect/vitest"
import { heldRows } from "../../src/delivery/KeptRows.ts"
import type { RowFacts } from "../../src/delivery/RowFacts.ts"
import { EntityId } from "../../src/domain/Entity.ts"

const traceIdOf = (n: number) => String(n).padStart(32, "4")

const row = (id: number, traceId: string): RowFacts => ({
  delivery: {
    id,
    kind: "block",
    entityId: EntityId.make(`0190a0b0-0000-7000-8000-00000000000${id}`),
    version: 7,
    op: "upsert",
    attempt: 2,
    waitingSince: 1_700_000_000_000_001,
    readyAt: 1_700_000_000_500_000,
    createdAt: 1_699_999_999_999_999,
    trace: { traceparent: `00-${traceId}-00f067aa0ba902b7-00`, tracestate: "a=1,b=\"2\"" },
    requestId: id === 1 ? null : `line\nbreak "${id}"`,
    libraryId: null,
    actor: "ü💡",
    fields: [{ field: "title", from: "a", to: "b" }],
    reclaimed: id === 2
  },
  outcome: { _tag: "Written" },
  settlement: { _tag: "Done", id, outcome: "acked" },
  held: true
})

describe("rows that are not told yet", () => {
  it("are told by their trace, all that have it, with all but what changed", () => {
    const rows = [row(1, traceIdOf(1)), row(2, traceIdOf(2)), row(3, traceIdOf(1))]
    const told: Array<RowFacts> = []
    const held = heldRows(rows, (one) => told.push(one))
    assert.deepStrictEqual(held.traceIds, [traceIdOf(1), traceIdOf(2), traceIdOf(1)])
    for (const n of [1, 2, 9]) held.tell(traceIdOf(n))
    const lean = rows.map((one) => ({ ...one, delivery: { ...one.delivery, fields: [] } }))
    assert.deepStrictEqual(told, [lean[0]!, lean[2]!, lean[1]!])
  })
})
