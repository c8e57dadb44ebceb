/** One change as the trace store tells it: the request's trace, and the worker's traces that its attempts link to. */
import { loop } from "./SpanRules.ts"
import { type SpanRef, text, type Trace, type TraceSpan, type Tree, treeOf } from "./Trace.ts"

export interface Story {
  /** `undefined` for a batch whose rows name no trace that is there. */
  readonly request: Trace | undefined
  readonly workers: ReadonlyArray<Trace>
  /** Traces that were linked to, and that the store does not have. */
  readonly absent: ReadonlyArray<string>
  /** Names that are right here beside the default ones, because `OTEL_SERVICE_NAME` says so. */
  readonly services?: ReadonlyArray<string>
}

export interface StoryTrees {
  readonly story: Story
  readonly request: Tree | undefined
  readonly workers: ReadonlyArray<Tree>
  readonly all: ReadonlyArray<Tree>
}

export const isWorkers = ({ spans }: Trace): boolean => spans.some(({ name }) => name === loop)

/** Traces that a trace links to: a request's attempts to their batches, a batch to the attempts of its rows. */
export const linkedTraces = (trace: Trace): ReadonlyArray<string> => {
  const from = isWorkers(trace) ? "projection.process_batch" : "outbox.process"
  const links = trace.spans.filter(({ name }) => name === from).flatMap((span) => span.links)
  return [...new Set(links.map(({ traceId }) => traceId).filter((id) => id !== trace.id))]
}

export const treesOf = (story: Story): StoryTrees => {
  const request = story.request === undefined ? undefined : treeOf(story.request)
  const workers = story.workers.map(treeOf)
  return { story, request, workers, all: request === undefined ? workers : [request, ...workers] }
}

export const sameSpan = (a: SpanRef, b: SpanRef) => a.traceId === b.traceId && a.spanId === b.spanId

/** An attempt that was told of: by the worker that made it, or by the one that found it lost. */
export const isAttempt = ({ name }: TraceSpan) => name === "outbox.process" || name === "outbox.attempt_lost"

/** What became of one row: all below one `outbox.enqueue`, in order. */
export interface RowStory {
  readonly enqueue: TraceSpan
  readonly projection: string
  readonly waits: ReadonlyArray<TraceSpan>
  readonly attempts: ReadonlyArray<TraceSpan>
  readonly buried: ReadonlyArray<TraceSpan>
}

export const rowsOf = (tree: Tree): ReadonlyArray<RowStory> =>
  tree.named("outbox.enqueue").map((enqueue) => {
    const children = tree.childrenOf(enqueue)
    return {
      enqueue,
      projection: text(enqueue, "projection"),
      waits: children.filter(({ name }) => name === "outbox.wait"),
      attempts: children.filter(isAttempt),
      buried: children.filter(({ name }) => name === "outbox.dead_letter")
    }
  })

const settled = new Set(["acked", "superseded", "dead_lettered"])
export const isSettled = (attempt: TraceSpan) => settled.has(text(attempt, "outcome"))
