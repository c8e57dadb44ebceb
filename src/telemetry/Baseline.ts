/**
 * The share of traces that is kept without a reason of its own: the same traces in every process, and in every other
 * system that samples by OpenTelemetry's consistent probabilities.
 *
 * A trace has a random value, the last fifty-six bits of its id or what `ot=rv:` in `tracestate` says, and is kept
 * where that is no less than a threshold; `ot=th:` says which one, so that counts can be made up for the rest.
 */
import { memberOf, withMember, withoutMembers } from "../domain/TraceContext.ts"

const member = "ot"

/** Fifty-six bits in hexadecimal. */
const digits = 14
/** So many of the threshold's digits are used; so a share is exact to one in sixteen millions. */
const exactDigits = 6

export interface Baseline {
  /** Fourteen hexadecimal digits; `undefined`: nothing reaches it. */
  readonly threshold: string | undefined
}

export const baselineOf = (ratio: number): Baseline => {
  const threshold = Math.round((1 - ratio) * 16 ** exactDigits)
  return {
    threshold: threshold >= 16 ** exactDigits
      ? undefined
      : threshold.toString(16).padStart(exactDigits, "0").padEnd(digits, "0")
  }
}

/** What `ot=` holds: `key:value`, separated by semicolons. */
const partsOf = (tracestate: string | null) =>
  (memberOf(tracestate, member) ?? "").split(";").filter((part) => part.includes(":"))

const randomnessOf = (traceId: string, tracestate: string | null): string => {
  const said = partsOf(tracestate).find((part) => part.startsWith("rv:"))?.slice(3)
  return said !== undefined && /^[0-9a-f]{14}$/.test(said) ? said : traceId.slice(-digits)
}

export const isWithin = ({ threshold }: Baseline, traceId: string, tracestate: string | null): boolean =>
  threshold !== undefined && randomnessOf(traceId, tracestate) >= threshold

const withParts = (tracestate: string | null, parts: ReadonlyArray<string>): string | null =>
  parts.length === 0 ? withoutMembers(tracestate, member) : withMember(tracestate, member, parts.join(";"))

const others = (tracestate: string | null) => partsOf(tracestate).filter((part) => !part.startsWith("th:"))

/** `tracestate` of a trace that was kept by its random value; trailing zeros of a threshold are left out. */
export const sampled = ({ threshold = "0" }: Baseline, tracestate: string | null): string | null =>
  withParts(tracestate, [`th:${threshold.replace(/0+$/, "") || "0"}`, ...others(tracestate)])

/** `tracestate` of a trace that was not: it has no threshold. */
export const unsampled = (tracestate: string | null): string | null =>
  tracestate === null ? null : withParts(tracestate, others(tracestate))

/** `tracestate` of a trace that is kept in any case: it stands for itself alone. */
export const keptAnyway = (tracestate: string | null): string | null =>
  withParts(tracestate, ["th:0", ...others(tracestate)])
