/** Checks of the worker's own trace, one per loop turn that found work: what it claimed, handled and settled. */
import { called, counted, type Finding, finding, skipped } from "./Finding.ts"
import { engines, isProjection, loop } from "./SpanRules.ts"
import type { StoryTrees } from "./Story.ts"
import { number, text, type TraceSpan, type Tree } from "./Trace.ts"

const overBatches = (
  trees: StoryTrees,
  judge: (tree: Tree, top: TraceSpan) => ReadonlyArray<string>,
  seen: string
): Finding => {
  const { absent } = trees.story
  if (trees.workers.length === 0 && absent.length === 0) return skipped("no worker's trace")
  return finding(
    trees.workers.flatMap((tree) => {
      const top = tree.named(loop)[0]
      return top === undefined ? [`${tree.id} has no ${loop}`] : judge(tree, top)
    }),
    seen
  )
}

const each = ["outbox.claim_batch", "projection.process_batch", "outbox.ack_batch"]

/** The three that S0-30 matches to the letter, and the acknowledgement. */
export const batch = (trees: StoryTrees): Finding =>
  overBatches(
    trees,
    (tree, top) => {
      const projection = text(top, "projection")
      const names: ReadonlyArray<string> = isProjection(projection) ? engines[projection] : []
      const hasWorked = tree.named("projection.process_batch").some((span) => (number(span, "ok") ?? 0) > 0)
      return [
        ...each.filter((name) => tree.named(name).length !== 1).map((name) =>
          `${called(top)} has ${tree.named(name).length} × ${name}, not one`
        ),
        ...(hasWorked && !names.some((name) => tree.named(name).length > 0)
          ? [`${called(top)}: rows went well without ${names.join(" or ")}`]
          : [])
      ]
    },
    counted(trees.workers.length, "batch") + `: ${loop}, ${each.join(", ")}`
  )

const judgeCounts = (tree: Tree): ReadonlyArray<string> => {
  const [claim] = tree.named("outbox.claim_batch")
  const [process] = tree.named("projection.process_batch")
  const [ack] = tree.named("outbox.ack_batch")
  if (claim === undefined || process === undefined || ack === undefined) return []
  const size = number(process, "batch_size") ?? -1
  const ok = number(process, "ok") ?? 0
  const failed = number(process, "failed") ?? 0
  const expected = number(ack, "expected") ?? 0
  const acked = number(ack, "acked") ?? 0
  const wanted: ReadonlyArray<readonly [boolean, string]> = [
    [number(claim, "batch_size") === size, `claimed ${text(claim, "batch_size")}, handled ${size}`],
    [ok + failed === size, `ok=${ok} and failed=${failed} of batch_size=${size}`],
    [(number(claim, "reclaimed") ?? 0) <= size, `reclaimed ${text(claim, "reclaimed")} of ${size}`],
    [expected <= size && acked <= expected, `acked=${acked} of expected=${expected} of ${size}`]
  ]
  return wanted.flatMap(([isRight, problem]) => isRight ? [] : [`${called(process)}: ${problem}`])
}

export const counts = (trees: StoryTrees): Finding =>
  overBatches(
    trees,
    judgeCounts,
    counted(trees.workers.flatMap((tree) => tree.named("projection.process_batch")).length, "batch")
  )
