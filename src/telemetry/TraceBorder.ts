/** Where requests of others come in: what of their trace context is believed, and who may ask for a debug trace. */
import { Clock, Context, Effect, Layer, Ref } from "effect"
import type { TraceContext } from "../domain/TraceContext.ts"
import * as DebugToken from "./DebugToken.ts"
import { isDebug, marked } from "./DebugTrace.ts"
import { countInvalid, type Inbound, read } from "./InboundContext.ts"
import { debugRequests } from "./Metrics.ts"
import { full, type Rate, take } from "./TokenBucket.ts"
import { accepted, decideBy, type KeyedHash, type Trust, withFlag } from "./TraceTrust.ts"

export interface Caller extends Inbound {
  /** `x-wordloom-debug`. */
  readonly debug: string | undefined
  /** Sits at this machine, and nobody has forwarded its request. */
  readonly isLocal: boolean
}

/** The closed list of the metric's label. */
export type DebugVerdict = "honoured" | "invalid" | "expired" | "over_budget"

export interface Arrival {
  /** The trace goes on under it; `null`: a new one begins. */
  readonly parent: TraceContext | null
  /** What the new one only points to. */
  readonly link: TraceContext | null
  readonly isDebug: boolean
  /** What was made of the caller's wish; `undefined` where it has none. */
  readonly verdict: DebugVerdict | undefined
}

/** For when nothing can be said of a caller. */
export const nothing: Arrival = { parent: null, link: null, isDebug: false, verdict: undefined }

export interface Options {
  readonly trust: Trust
  /** The share of traces that are kept without a reason of their own. */
  readonly ratio: number
  /** Decides of callers' traces. */
  readonly hash: KeyedHash
  /** Checks their tokens; `undefined`: there are none. */
  readonly tokens: KeyedHash | undefined
}

/** Of one process, for all callers: as many as somebody needs who looks for a fault, and no load for whoever stores. */
const budget: ReadonlyArray<Rate> = [{ atOnce: 50, perSecond: 5 }, { atOnce: 500, perSecond: 500 / 3_600 }]

/** How people say that they want none. */
const declined = new Set(["", "0", "false", "off", "no"])

export class TraceBorder extends Context.Service<TraceBorder, {
  readonly arrive: (caller: Caller) => Effect.Effect<Arrival>
}>()("wordloom/telemetry/TraceBorder") {
  static readonly layer = ({ hash, ratio, tokens, trust }: Options) =>
    Layer.effect(
      TraceBorder,
      Effect.gen(function*() {
        const left = yield* Ref.make(full(budget, yield* Clock.currentTimeMillis))
        const decide = decideBy(ratio, hash)

        const judge = Effect.fnUntraced(function*(token: string, isLocal: boolean) {
          const now = yield* Clock.currentTimeMillis
          const proof = isLocal
            ? "valid"
            : tokens === undefined
            ? "invalid"
            : DebugToken.check(tokens, token, Math.floor(now / 1_000))
          if (proof !== "valid") return proof
          return (yield* Ref.modify(left, (buckets) => take(budget, buckets, now))) ? "honoured" : "over_budget"
        })

        const verdictOn = Effect.fnUntraced(function*({ debug, isLocal }: Caller) {
          if (debug === undefined || declined.has(debug.trim().toLowerCase())) return undefined
          const verdict: DebugVerdict = yield* judge(debug, isLocal)
          yield* debugRequests.add({ result: verdict })
          return verdict
        })

        const arrive = Effect.fnUntraced(function*(caller: Caller) {
          const { context, isInvalid } = read(caller)
          if (isInvalid) yield* countInvalid("http")
          const verdict = yield* verdictOn(caller)
          const link = trust === "restart" ? context : null
          const known = trust === "restart" || context === null
            ? null
            : trust === "trust"
            ? context
            : accepted(context, decide)
          const asked = verdict === "honoured" || isDebug(known?.tracestate ?? null)
          const parent = known !== null && asked
            ? withFlag({ ...known, tracestate: marked(known.tracestate) }, true)
            : known
          return { parent, link, isDebug: asked, verdict }
        })

        return TraceBorder.of({ arrive })
      })
    )
}
