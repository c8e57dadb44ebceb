/**
 * Brings a new name to the blocks that show it: chunk by chunk, each one short transaction and one trace of its own.
 *
 * What is done is known by the committed cursor alone, so whoever comes next goes on where a killed worker was, and
 * nobody holds a lease.
 *
 * Why no older name is left, whatever overtakes what. Let W be the last transaction that raises the revision of a
 * block that shows the entity, and R a rename of it. Snapshots see commits in one order. If W comes after R, whoever
 * sees W's revision sees R's name. W cannot come before R: a chunk's snapshot has seen R's line in `fan_outs`, so it
 * sees W's block as well, and raises the revision once more. So every document of the last revision has the newest
 * name; W's own row has one loaded; and the index refuses lower revisions. A block may thus appear behind the cursor,
 * and the chunks of several renames may come in any order. A block that is being changed is waited for: that change may
 * be undone.
 */
import { Duration, Effect, Layer, Option, Ref, References } from "effect"
import { type FanOut, FanOuts } from "../outbox/FanOuts.ts"
import { Outbox } from "../outbox/Outbox.ts"
import { Transaction } from "../outbox/Transaction.ts"
import { WakeUps } from "../outbox/WakeUps.ts"
import { CurrentRequest } from "../telemetry/CurrentRequest.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import { withoutStack } from "../telemetry/Spans.ts"
import { TraceCarrier } from "../telemetry/TraceCarrier.ts"
import { failedWait, idleFirst, idleWait } from "./Idle.ts"

export interface Options {
  /** Blocks per transaction: as long as their rows are locked, whoever changes one of them waits. */
  readonly chunkMax: number
  /** No chunk is made while so many rows wait, so that a fresh write waits for few more than these. */
  readonly backlogMax: number
  readonly pollInterval: Duration.Duration
}

export const bounds = { chunkMax: 500, backlogMax: 2_000 }

/** `Full`: there is something to do, but the outbox has enough for now. */
export type Turn = "Made" | "Full" | "Idle"

/** Hints come with every commit, and hardly any of them is a new name's. */
const hintsEvery = Duration.millis(100)
/** New names are rare, and hinted at: a look without a hint only makes up for a lost one. */
const unhintedPoll = 5

const projection = "search"

const told = Effect.fnUntraced(function*(fanOut: FanOut, blocks: number, limit: number) {
  yield* Metrics.fanOutBlocks.add({}, blocks)
  if (blocks === limit) return
  yield* Effect.logInfo(
    fanOut.isSuperseded ? "a new name gave way to a newer one" : "a new name has reached all blocks",
    { entity_type: fanOut.kind, entity_id: fanOut.id, version: fanOut.version, blocks: fanOut.blocks + blocks }
  )
})

const chunk = Effect.fnUntraced(function*(fanOut: FanOut, limit: number) {
  const fanOuts = yield* FanOuts
  const outbox = yield* Outbox
  const carrier = yield* TraceCarrier
  const cause = Option.fromUndefinedOr(carrier.extract(fanOut.trace))
  const leave = Effect.gen(function*() {
    const changes = yield* fanOuts.advance(fanOut, limit)
    yield* Effect.annotateCurrentSpan({ batch_size: changes.length })
    yield* outbox.append(changes, [projection])
    return changes.length
  })
  // Not a part of the request's trace: a frequent tag's would grow by some spans for each of its blocks.
  return yield* leave.pipe(Effect.withSpan("outbox.fan_out", {
    root: true,
    links: Option.match(cause, { onNone: () => [], onSome: (span) => [{ span, attributes: {} }] }),
    attributes: {
      projection,
      entity_type: fanOut.kind,
      entity_id: fanOut.id,
      ...(fanOut.requestId === null ? {} : { request_id: fanOut.requestId, x_request_id: fanOut.requestId })
    }
  }, withoutStack))
})

/** One chunk, if there is one to make. Tests call this. */
export const runOnce = Effect.fnUntraced(function*({ backlogMax, chunkMax }: Omit<Options, "pollInterval">) {
  const fanOuts = yield* FanOuts
  const transaction = yield* Transaction
  if ((yield* fanOuts.pending) === 0) return "Idle"
  if ((yield* fanOuts.backlog(backlogMax)) >= backlogMax) return "Full"
  const enabled = yield* References.TracerEnabled
  const onBehalf = <A, E, R>({ actor, requestId }: FanOut, effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, CurrentRequest, { requestId, actor })
  const made = yield* transaction.run(Effect.gen(function*() {
    const fanOut = yield* fanOuts.take
    if (fanOut === undefined) return undefined
    const blocks = yield* onBehalf(fanOut, Effect.withTracerEnabled(chunk(fanOut, chunkMax), enabled))
    return { fanOut, blocks }
  })).pipe(Effect.withTracerEnabled(false))
  if (made === undefined) return "Idle"
  yield* Effect.ignoreCause(onBehalf(made.fanOut, told(made.fanOut, made.blocks, chunkMax)))
  return "Made"
})

const loop = Effect.fnUntraced(function*(options: Options) {
  const wakeUps = yield* WakeUps
  const first = Duration.min(idleFirst, options.pollInterval)
  const idleFor = yield* Ref.make(first)
  const turn = Effect.gen(function*() {
    const known = yield* wakeUps.count
    const done = yield* runOnce(options)
    if (done === "Made") return yield* Ref.set(idleFor, first)
    // What makes room is not hinted at.
    if (done === "Full") {
      yield* Ref.update(idleFor, (wait) => Duration.min(wait, options.pollInterval))
      return yield* idleWait(idleFor, options.pollInterval, Effect.never)
    }
    const woken = Effect.andThen(Effect.sleep(hintsEvery), wakeUps.beyond(known))
    yield* idleWait(idleFor, Duration.times(options.pollInterval, unhintedPoll), woken)
  })
  return yield* turn.pipe(
    Effect.catchCause((cause) =>
      Effect.andThen(
        Effect.logWarning("a new name could not be brought to its blocks; trying again", cause),
        Effect.sleep(failedWait)
      )
    ),
    Effect.forever
  )
})

/** Goes on for as long as the layer lives; a chunk that is cut off has not happened. */
export const layer = (options: Options) => Layer.effectDiscard(Effect.forkScoped(loop(options)))
