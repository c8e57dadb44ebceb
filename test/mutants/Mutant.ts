/** A planted bug: what it is, the patches that plant it, and the tests that must notice. */

/** `before` occurs exactly once in the file; where it does not, the mutant is stale. */
export interface Edit {
  readonly file: string
  readonly before: string
  readonly after: string
}

/** One test by its file and its own name, without those of the blocks around it. */
export interface Named {
  readonly file: string
  readonly test: string
}

/** One way to make the mistake. */
export interface Place {
  readonly bug: string
  readonly edits: ReadonlyArray<Edit>
  /** Asked one after the other until one notices: the most telling and quickest first. */
  readonly caughtBy: readonly [Named, ...ReadonlyArray<Named>]
}

/** Caught when it is caught at every place where it is planted, each of them by itself. */
export interface Mutant {
  readonly name: string
  readonly places: readonly [Place, ...ReadonlyArray<Place>]
}

/**
 * What became of a bug at one place. `hang`: a test did not end within a bound of ours; `stale`: it cannot be planted
 * any more; `broken`: it does not compile or load; `unproven`: its tests fail without it too.
 */
export type Verdict = "caught" | "hang" | "survived" | "stale" | "broken" | "unproven"

export interface Finding {
  readonly mutant: Mutant
  readonly place: Place
  readonly verdict: Verdict
  readonly by: Named | undefined
  /** Why, in a line: what the test said, or what is wrong with the mutant. */
  readonly detail: string
  readonly seconds: number
}

export const isCaught = ({ verdict }: Pick<Finding, "verdict">) => verdict === "caught" || verdict === "hang"

export const nameOf = ({ file, test }: Named) => `${file} > ${test}`
