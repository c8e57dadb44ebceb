/** Of any collection of evidence, each lab keeps the newest of each kind that passed, and never loses its last one. */
import { assert, describe, it } from "@effect/vitest"
import { judge, type SnapshotSet } from "../../src/trace/Snapshots.ts"
import { type Random, withSeed } from "../support/Seeded.ts"

const anySets = ({ int, one }: Random): ReadonlyArray<SnapshotSet> =>
  Array.from({ length: int(0, 12) }, (_, at): SnapshotSet => ({
    name: `set-${at}`,
    lab: one(["one", "two"]),
    taken_at: `2026-01-01T00:00:0${int(0, 9)}Z`,
    evidence: one(["end-to-end", "pass"] as const),
    verdict: one(["PASS", "FAIL"] as const)
  }))

const checkLab = (own: ReturnType<typeof judge>) => {
  const kept = own.filter(({ keep }) => keep)
  const passed = own.filter(({ verdict }) => verdict === "PASS")
  const kinds = new Set(passed.map(({ evidence }) => evidence))
  assert.strictEqual(kept.length, kinds.size === 0 ? Math.min(1, own.length) : kinds.size)
  for (const set of kept) {
    const rivals = kinds.size === 0 ? own : passed.filter(({ evidence }) => evidence === set.evidence)
    assert.include(rivals, set)
    assert.isTrue(rivals.every(({ taken_at }) => taken_at <= set.taken_at))
  }
}

describe("snapshots", () => {
  it("are pruned to the smallest set that still shows all, and pruning again changes nothing", () =>
    withSeed(async (random) => {
      for (let round = 0; round < 500; round++) {
        const sets = anySets(random)
        const judged = judge(sets)
        assert.sameMembers(judged.map(({ name }) => name), sets.map(({ name }) => name))
        for (const lab of ["one", "two"]) checkLab(judged.filter((set) => set.lab === lab))
        assert.isTrue(judge(judged.filter(({ keep }) => keep)).every(({ keep }) => keep))
      }
    }))
})
