/** Times and figures in the words of explain. */
import { DateTime } from "effect"
import type { EntityId, EntityKind } from "../domain/Entity.ts"
import type { DatabaseMicros } from "../outbox/Leases.ts"
import { aheadMax } from "./Facts.ts"

export const isoOf = (at: DatabaseMicros): string => DateTime.formatIso(DateTime.makeUnsafe(Math.floor(at / 1_000)))
export const maybeIso = (at: DatabaseMicros | null): string | null => at === null ? null : isoOf(at)

/** Milliseconds with their thousandths. */
export const msOf = (micros: number): number => Math.round(micros) / 1_000

export const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000

/** Rounded to what is shown before the unit is chosen, so that no figure reaches the next unit. */
const parts = (ms: number, unit: number, below: number) => {
  const all = Math.round(ms / below)
  const each = unit / below
  return [Math.floor(all / each), all % each] as const
}

/**
 * ```ts
 * duration(812.4)
 * // => "812 ms"
 * duration(59_960)
 * // => "1 min 0 s"
 * ```
 */
export const duration = (ms: number): string => {
  if (ms < 9.95) return `${Math.round(ms * 10) / 10} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${Math.round(ms / 100) / 10} s`
  const [minutes, seconds] = parts(ms, 60_000, 1_000)
  if (minutes < 60) return `${minutes} min ${seconds} s`
  const [hours, rest] = parts(ms, 3_600_000, 60_000)
  return hours < 48 ? `${hours} h ${rest} min` : `${Math.floor(hours / 24)} days`
}

export const count = (many: number, one: string, more = `${one}s`): string =>
  `${many.toLocaleString("en")} ${many === 1 ? one : more}`

export const ahead = (many: number): string =>
  many > aheadMax ? `more than ${count(aheadMax, "row")}` : many === 0 ? "no row" : count(many, "row")

export const nameOf = ({ id, kind }: { readonly kind: EntityKind; readonly id: EntityId }): string => `${kind}/${id}`

export const because = (errorType: string | null, detail: string | null): string =>
  errorType === null ? "an unknown error" : detail === null || detail === "" ? errorType : `${errorType}: ${detail}`
