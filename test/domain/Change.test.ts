/** What the chronicle tells of a change is what was changed, all of it, and nothing else. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { differences, FieldChange, removed } from "../../src/domain/Change.ts"
import { BlockFields } from "../../src/domain/Entity.ts"

const patch = Arbitrary.map(
  Arbitrary.all({ fields: Arbitrary.schema(BlockFields), kept: Arbitrary.array(Arbitrary.schema(Schema.Int)) }),
  ({ fields, kept }) =>
    Object.fromEntries(
      Object.entries(fields).filter((_, at) => kept.some((each) => Math.abs(each) % 4 === at))
    ) as Partial<
      typeof BlockFields.Type
    >
)
const given = { before: BlockFields, patch }
const isFieldChange = Schema.is(FieldChange)
const check = { arbitrary: { runs: 300 } }

describe("the differences", () => {
  it.prop("name the fields of the patch that differ, and no other", given, ({ before, patch }) => {
    const expected = Object.keys(patch).filter((field) => {
      const [from, to] = [before, patch].map((fields) => JSON.stringify((fields as Record<string, unknown>)[field]))
      return from !== to
    })
    assert.deepStrictEqual(differences(before, patch).map(({ field }) => field), expected)
  }, check)

  it.prop("are none between a thing and itself, or nothing", given, ({ before }) => {
    assert.deepStrictEqual(differences(before, structuredClone(before)), [])
    assert.deepStrictEqual(differences(before, {}), [])
  }, check)

  it.prop("say from what and to what, short enough to be stored and read", given, ({ before, patch }) => {
    for (const change of [...differences(before, patch), ...differences({}, before), ...removed(before)]) {
      assert.isTrue(isFieldChange(change))
      for (const value of [change.from, change.to]) {
        if (typeof value !== "string") continue
        assert.isAtMost(value.length, 256)
        assert.isTrue(value.isWellFormed())
      }
    }
  }, check)

  it.prop("begin with nothing and end with nothing", given, ({ before }) => {
    const [created, gone] = [differences({}, before), removed(before)]
    assert.isTrue(created.every(({ from }) => from === null))
    assert.deepStrictEqual(gone, created.map(({ field, to }) => ({ field, from: to, to: null })))
    assert.deepStrictEqual(created.map(({ field }) => field), Object.keys(before))
  }, check)

  it("mark where a long value was cut", () => {
    const [change] = differences({ title: "short" }, { title: "é".repeat(300) })
    assert.deepStrictEqual(change, { field: "title", from: "short", to: `${"é".repeat(255)}…` })
  })
})
