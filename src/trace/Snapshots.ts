/** Which evidence of a lab is kept: one set from end to end and one of a batch, both passed. The rest goes. Pure. */
import { Schema } from "effect"

/** `end-to-end`: one change was asked for, by its trace or its request; `pass`: what the worker did lately. */
export const Evidence = Schema.Literals(["end-to-end", "pass"])
export type Evidence = typeof Evidence.Type

/** What a set says of itself in its `report.json`; a folder without one is not ours. */
export const SetReport = Schema.Struct({
  lab: Schema.String,
  taken_at: Schema.String,
  evidence: Evidence,
  verdict: Schema.Literals(["PASS", "FAIL"])
})
export type SetReport = typeof SetReport.Type

export interface SnapshotSet extends SetReport {
  readonly name: string
}

export interface Judged extends SnapshotSet {
  readonly keep: boolean
  readonly why: string
}

const newestFirst = (a: SnapshotSet, b: SnapshotSet) =>
  a.taken_at > b.taken_at ? -1 : a.taken_at < b.taken_at ? 1 : a.name > b.name ? -1 : 1

const reasons: Readonly<Record<Evidence, string>> = {
  "end-to-end": "the newest end-to-end evidence",
  pass: "the newest PASS evidence"
}

const judgeLab = (sets: ReadonlyArray<SnapshotSet>): ReadonlyArray<Judged> => {
  const sorted = sets.toSorted(newestFirst)
  const passed = sorted.filter(({ verdict }) => verdict === "PASS")
  const golden = new Set(Evidence.literals.map((evidence) => passed.find((set) => set.evidence === evidence)))
  return sorted.map((set, at): Judged => {
    if (golden.has(set)) return { ...set, keep: true, why: reasons[set.evidence] }
    if (passed.length === 0 && at === 0) return { ...set, keep: true, why: "the newest, as long as none has passed" }
    return { ...set, keep: false, why: set.verdict === "FAIL" ? "did not pass" : "a newer one shows the same" }
  })
}

/** Every set of every lab, newest first, with what becomes of it. */
export const judge = (sets: ReadonlyArray<SnapshotSet>): ReadonlyArray<Judged> =>
  [...new Set(sets.map(({ lab }) => lab))].toSorted().flatMap((lab) => judgeLab(sets.filter((set) => set.lab === lab)))
