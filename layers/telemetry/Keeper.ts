/** A process's memory of kept traces: what it knows, what waits to be known, what is to be told and to be rebuilt. */
import { parseTraceparent } from "../../src/domain/TraceContext.ts"
import type { KeepRule } from "../../src/telemetry/KeepRule.ts"
import type { KeptTraces } from "../../src/telemetry/KeptTraces.ts"
import type { KeepExchanged, Origin, Signal, TraceKeeping } from "../../src/telemetry/TraceKeeping.ts"
import { type Held, make as makeRing } from "./HoldingRing.ts"
import * as SpanCounts from "./SpanCounts.ts"
import { telemetryFailed } from "./TelemetryErrors.ts"

/** Ids that are remembered as kept, signals that wait to be told, and origins that wait to be found. */
const bounds = { kept: 20_000, signals: 10_000, origins: 5_000 } as const

/** Rows whose spans were not made, some 36,000 of them: so far one projection may be ahead of another that fails. */
const untoldBytes = 24 * 1_024 * 1_024

export interface Keeper extends TraceKeeping, KeptTraces, KeepExchanged {
  /** Keeps it, and says whether the part that left its rows is exported at once. */
  readonly keepFound: (traceId: string, isFound: boolean, isShared: boolean) => void
  readonly holdSpans: (held: Held) => void
  /** The decision on a trace that was sampled, or is not kept so far. */
  readonly decided: (traceId: string, isKept: boolean) => void
  /** Exports what waits of traces that were kept since the last call, and forgets what has waited for long enough. */
  readonly sweep: () => void
  readonly close: () => void
}

export interface KeeperOptions {
  readonly rule: KeepRule
  readonly holdMs: number
  readonly holdBytes: number
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  /** Tells of a row's origin in the place of the process that left it. */
  readonly rebuild: (origin: Origin) => void
}

/** The oldest gives way. */
const put = <A>(map: Map<string, A>, key: string, value: A, max: number) => {
  map.set(key, value)
  if (map.size > max) { for (const oldest of map.keys()) return void map.delete(oldest) }
}

const ringsOf = ({ holdBytes, holdMs, now }: KeeperOptions) => {
  const spans = makeRing({ bytes: holdBytes, ms: holdMs })
  const rows = makeRing({ bytes: Math.min(untoldBytes, holdBytes), ms: holdMs })
  const forget = (count: number) => {
    if (count === 0) return
    SpanCounts.released(count)
    SpanCounts.sampledOut(count)
  }
  return {
    rows,
    addSpans: (held: Held) => {
      const forgotten = spans.add(held, now())
      SpanCounts.held(held.spans - forgotten)
      SpanCounts.sampledOut(forgotten)
    },
    tell: (wanted: ReadonlySet<string>) => {
      SpanCounts.released(spans.tell(wanted))
      rows.tell(wanted)
    },
    expire: () => {
      forget(spans.expire(now()))
      rows.expire(now())
    },
    close: () => forget(spans.expire(Number.POSITIVE_INFINITY))
  }
}

export const make = (options: KeeperOptions): Keeper => {
  const { now, rule } = options
  const rings = ringsOf(options)
  const kept = new Map<string, true>()
  const signals = new Map<string, boolean>()
  const origins = new Map<string, { readonly origin: Origin; readonly at: number }>()
  const listeners = new Set<(traceId: string, isKept: boolean) => void>()
  let wanted = new Set<string>()

  const decided = (traceId: string, isKept: boolean) => {
    for (const listener of listeners) {
      try {
        listener(traceId, isKept)
      } catch (error) {
        telemetryFailed(error)
      }
    }
  }

  const begin = (traceId: string) => {
    put(kept, traceId, true, bounds.kept)
    if (wanted.size < bounds.kept) wanted.add(traceId)
    decided(traceId, true)
  }

  const signal = (traceId: string, isFound: boolean) =>
    put(signals, traceId, isFound || signals.get(traceId) === true, bounds.signals)

  const keepFound = (traceId: string, isFound: boolean, isShared: boolean) => {
    const isNew = !kept.has(traceId)
    if (isNew) begin(traceId)
    if (isFound || (isNew && isShared)) signal(traceId, isFound)
  }

  const sweep = () => {
    const now = wanted
    wanted = new Set()
    rings.tell(now)
    rings.expire()
  }

  const isKept = (traceId: string) => kept.size > 0 && kept.has(traceId)

  return {
    rule,
    isKept,
    isExported: (traceId, isSampled) => isSampled || isKept(traceId),
    subscribe: (onDecided) => {
      listeners.add(onDecided)
      return () => listeners.delete(onDecided)
    },
    decided,
    keep: (traceId, origin) => {
      keepFound(traceId, false, true)
      const spanId = parseTraceparent(origin?.trace.traceparent)?.spanId
      if (origin !== undefined && spanId !== undefined && !origins.has(spanId)) {
        put(origins, spanId, { origin, at: now() }, bounds.origins)
      }
    },
    keepFound,
    hold: (untold) => rings.rows.add({ ...untold, spans: 0 }, now()),
    holdSpans: rings.addSpans,
    sweep,
    takeSignals: () => {
      sweep()
      const taken = [...signals].map(([traceId, isFound]): Signal => ({ traceId, isFound }))
      signals.clear()
      return taken
    },
    heard: (traceIds) => {
      const news = traceIds.filter((traceId) => !kept.has(traceId))
      for (const traceId of news) begin(traceId)
      sweep()
      return news.length
    },
    takeUnfound: (graceMs) => {
      const due = [...origins].filter(([, { at }]) => now() - at >= graceMs)
      for (const [spanId] of due) origins.delete(spanId)
      return due.map(([, { origin }]) => origin)
    },
    rebuild: (all) => {
      for (const origin of all) options.rebuild(origin)
    },
    close: () => {
      sweep()
      rings.close()
    }
  }
}
