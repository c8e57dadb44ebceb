/** What a check found: nothing wrong, what is wrong and where, or nothing that it could look at. */
import type { TraceSpan, Tree } from "./Trace.ts"

export interface Passed {
  readonly _tag: "Passed"
  /** What was looked at, in a few words. */
  readonly seen: string
}

export interface Failed {
  readonly _tag: "Failed"
  readonly problems: ReadonlyArray<string>
}

export interface Skipped {
  readonly _tag: "Skipped"
  readonly why: string
}

export type Finding = Passed | Failed | Skipped

export const skipped = (why: string): Finding => ({ _tag: "Skipped", why })

/** A damaged trace of ten thousand spans has ten thousand problems; the first ones say what is wrong. */
const problemsMax = 20

export const finding = (problems: ReadonlyArray<string>, seen: string): Finding =>
  problems.length === 0
    ? { _tag: "Passed", seen }
    : {
      _tag: "Failed",
      problems: problems.length <= problemsMax
        ? problems
        : [...problems.slice(0, problemsMax), `and ${problems.length - problemsMax} more`]
    }

/** How a problem names a span: with what tells it from its siblings. */
export const called = ({ attributes, name, spanId }: TraceSpan): string => {
  const { attempt, projection, reason } = attributes
  const marks = [projection, reason, attempt === undefined ? undefined : `attempt ${attempt}`]
  const told = marks.filter((mark) => mark !== undefined).join(", ")
  return `${name}${told === "" ? "" : ` (${told})`} ${spanId}`
}

export const below = (tree: Tree, span: TraceSpan): string => {
  const parent = tree.parentOf(span)
  return parent === undefined
    ? span.parentId === undefined ? "nothing" : `${span.parentId}, which is not there`
    : parent.name
}

export const counted = (count: number, what: string): string =>
  `${count} ${count === 1 ? what : what.endsWith("ch") ? `${what}es` : `${what}s`}`
