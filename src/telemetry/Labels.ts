/** The values that a metric's label may have: closed lists, so that what a caller sends never becomes a series. */

/** What slips by the compiler, such as a word of a newer server, is counted as this. */
export const other = "other" as const

/** A closed list of `A`. */
export interface LabelValues<A extends string> {
  /** How many series it can make, `other` among them. */
  readonly max: number
  /** All of them, where they are known beforehand. */
  readonly known: ReadonlyArray<A>
  readonly admit: (value: string) => string
}

/** A list whose members may be any string is not closed: then this is `never`, and nothing fits. */
type IfClosed<A extends string> = string extends A ? never : unknown

/**
 * ```ts
 * oneOf(["ok", "failed"])
 * oneOf(names as ReadonlyArray<string>)
 * // => does not compile
 * ```
 */
export const oneOf = <const A extends ReadonlyArray<string>>(
  known: A & IfClosed<A[number]>
): LabelValues<A[number]> => {
  const all = new Set<string>(known)
  return { max: all.size + (all.has(other) ? 0 : 1), known, admit: (value) => all.has(value) ? value : other }
}

/** Values of a type that one place makes, such as route templates: the first `max` that come are the list. */
export const atMost = <A extends string>(max: number & IfClosed<A>): LabelValues<A> => {
  const seen = new Set<string>()
  return {
    max: max + 1,
    known: [],
    admit: (value) => {
      if (seen.has(value)) return value
      if (seen.size >= max) return other
      seen.add(value)
      return value
    }
  }
}

export type LabelLists = Readonly<Record<string, LabelValues<string>>>

/** A label may also be said to be `other` where the caller knows that it has no word for it. */
export type LabelsOf<L extends LabelLists> = {
  readonly [K in keyof L]: L[K] extends LabelValues<infer A> ? A | typeof other : never
}

/** How many series the lists can make together. */
export const combinations = (lists: LabelLists): number =>
  Object.values(lists).reduce((product, { max }) => product * max, 1)

/** Every combination of what is known beforehand; none where a list is not. */
export const allOf = (lists: LabelLists): ReadonlyArray<Readonly<Record<string, string>>> =>
  Object.entries(lists).reduce<ReadonlyArray<Readonly<Record<string, string>>>>(
    (so, [name, { known }]) => so.flatMap((labels) => known.map((value) => ({ ...labels, [name]: value }))),
    [{}]
  )
