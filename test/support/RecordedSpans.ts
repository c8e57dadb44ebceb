/** Every span that a test made, in memory, and how they hang together. */
import { assert } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Option, Tracer } from "effect"

export class RecordedSpans extends Context.Service<RecordedSpans, {
  /** In the order in which they were begun. */
  readonly all: Effect.Effect<ReadonlyArray<Tracer.NativeSpan>>
}>()("wordloom/test/RecordedSpans") {}

/** `change` makes of the recording tracer whatever the test needs. */
export const layerWith = (change: (tracer: Tracer.Tracer) => Tracer.Tracer) =>
  Layer.effectContext(Effect.sync(() => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const recorded = RecordedSpans.of({ all: Effect.sync(() => [...spans]) })
    return Context.make(RecordedSpans, recorded).pipe(Context.add(Tracer.Tracer, change(tracer)))
  }))

export const layer = layerWith((tracer) => tracer)

export const all = RecordedSpans.use((recorded) => recorded.all)
export const named = (name: string) => Effect.map(all, (spans) => spans.filter((span) => span.name === name))

const parentOf = (span: Tracer.NativeSpan) => Option.getOrUndefined(span.parent)?.spanId

/** The status message of a span that ended in an error. */
export const errorOf = ({ status }: Tracer.NativeSpan): string | undefined => {
  if (status._tag !== "Ended" || Exit.isSuccess(status.exit)) return undefined
  const error = Cause.squash(status.exit.cause)
  return error instanceof Error ? error.message : String(error)
}

export const lasted = ({ status }: Tracer.NativeSpan): readonly [from: number, to: number] => {
  if (status._tag === "Started") throw new Error("the span has not ended")
  return [Number(status.startTime / 1_000_000n), Number(status.endTime / 1_000_000n)]
}

export const attributesOf = (span: Tracer.NativeSpan) => Object.fromEntries(span.attributes)

type Shown = (span: Tracer.NativeSpan) => string

const below = (spans: ReadonlyArray<Tracer.NativeSpan>, parent: string, indent: string, shown: Shown): Array<string> =>
  spans.filter((span) => parentOf(span) === parent).flatMap((span) => [
    `${indent}${shown(span)}`,
    ...below(spans, span.spanId, `${indent}  `, shown)
  ])

/** The marks of a span that a tree shows: its kind, the given attributes that it has, and whether it failed. */
const line = (keys: ReadonlyArray<string>): Shown => (span) =>
  [
    span.name,
    ...(span.kind === "internal" ? [] : [span.kind.toUpperCase()]),
    ...keys.filter((key) => span.attributes.has(key)).map((key) => `${key}=${String(span.attributes.get(key))}`),
    ...(errorOf(span) === undefined ? [] : ["ERROR"])
  ].join(" ")

/** A span and all below it, one a line, each indented below its parent. */
export const tree = Effect.fnUntraced(function*(root: Tracer.NativeSpan, ...keys: ReadonlyArray<string>) {
  const shown = line(keys)
  return [shown(root), ...below(yield* all, root.spanId, "  ", shown)]
})

/** The one span of that name. */
export const only = (name: string) =>
  Effect.map(named(name), (spans) => {
    assert.strictEqual(spans.length, 1, name)
    return spans[0]!
  })

/** The spans that the rows of the search outbox name. */
export const enqueued = Effect.map(
  named("outbox.enqueue"),
  (spans) => spans.filter((span) => span.attributes.get("projection") === "search")
)

export const treeOfBatch = (...keys: ReadonlyArray<string>) =>
  Effect.flatMap(only("outbox_worker.loop"), (span) => tree(span, ...keys))
