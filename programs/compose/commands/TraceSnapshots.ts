/** `wordloom trace snapshots list` and `prune`: the evidence that labs keep, and what is removed of it. */
import { Effect } from "effect"
import { judge, type Judged } from "../../../src/trace/Snapshots.ts"
import * as Output from "./Output.ts"
import * as SnapshotFolder from "./SnapshotFolder.ts"

interface Input {
  readonly outdir: string
  readonly lab: string | undefined
  readonly json: boolean
}

const look = Effect.fnUntraced(function*({ lab, outdir }: Input) {
  const { others, sets } = yield* SnapshotFolder.read(outdir)
  return { others, judged: judge(sets.filter((set) => lab === undefined || set.lab === lab)) }
})

const columns = (doing: string): ReadonlyArray<Output.Column<Judged>> => [
  { title: "LAB", text: ({ lab }) => lab },
  { title: "SET", text: ({ name }) => name },
  { title: "EVIDENCE", text: ({ evidence }) => evidence },
  {
    title: "VERDICT",
    text: ({ verdict }) => verdict,
    color: ({ verdict }) => verdict === "PASS" ? Output.green : Output.red
  },
  { title: "", text: ({ keep }) => keep ? "keep" : doing, color: ({ keep }) => keep ? Output.bold : Output.yellow },
  { title: "WHY", text: ({ why }) => why, color: () => Output.dim }
]

const told = (judged: ReadonlyArray<Judged>, others: ReadonlyArray<string>, doing: string) =>
  [
    judged.length === 0 ? "no snapshots" : Output.table(columns(doing), judged),
    ...(others.length === 0 ? [] : [`left alone, not a snapshot of ours: ${others.join(", ")}`])
  ].join("\n")

const json = (judged: ReadonlyArray<Judged>, others: ReadonlyArray<string>, removed: boolean) => ({
  sets: judged.map(({ keep, ...set }) => ({ ...set, keep, removed: removed && !keep })),
  left_alone: others
})

export const list = Effect.fnUntraced(function*(input: Input) {
  const { judged, others } = yield* look(input)
  yield* input.json
    ? Output.printJson(json(judged, others, false))
    : Output.print(told(judged, others, "prune"))
})

export const prune = Effect.fnUntraced(function*(input: Input & { readonly dryRun: boolean }) {
  const { judged, others } = yield* look(input)
  const goes = judged.filter(({ keep }) => !keep)
  if (!input.dryRun) yield* Effect.forEach(goes, (set) => SnapshotFolder.remove(input.outdir, set), { discard: true })
  if (input.json) return yield* Output.printJson(json(judged, others, !input.dryRun))
  const kept = judged.length - goes.length
  yield* Output.print([
    told(judged, others, input.dryRun ? "would remove" : "removed"),
    `${input.dryRun ? "would remove" : "removed"} ${goes.length}, kept ${kept}`
  ].join("\n"))
})
