/**
 * A trace that somebody asked to see: kept whole whatever the ratio is, in every process that takes part in it.
 *
 * What marks it, all of which the border sets at once (`TraceBorder`) and everybody else only reads:
 * - the sampled flag, which every span, row and outgoing header inherits;
 * - the member `wordloom=d:1` in `tracestate`, first in the list, which travels the same way: `isDebug`;
 * - the attribute `wordloom.debug` on the server span.
 *
 * A caller's own `wordloom` member is dropped at the border, unless callers are trusted. Where the caller's trace goes
 * on, its context is marked before it becomes a parent. A trace that begins here has no parent to inherit from, so its
 * first span carries the annotation `DebugTrace`: whoever samples gives that span the flag and the member.
 */
import { Context } from "effect"
import { memberOf, withMember } from "../domain/TraceContext.ts"

/** The product's own member of `tracestate`; its value is a list of `key:value`, separated by semicolons. */
export const ownMember = "wordloom"
const debugPart = "d:1"

export const attribute = "wordloom.debug"

/** An annotation of the span that begins such a trace. */
export const DebugTrace = Context.Reference<boolean>("wordloom/telemetry/DebugTrace", { defaultValue: () => false })

export const marked = (tracestate: string | null): string | null => withMember(tracestate, ownMember, debugPart)

/** Whether the trace that a row, a header or a span belongs to is one. */
export const isDebug = (tracestate: string | null): boolean =>
  memberOf(tracestate, ownMember)?.split(";").includes(debugPart) ?? false
