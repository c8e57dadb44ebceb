/** Random values that can be had again: `SEED=… vitest run …` replays a run, and a failure says its seed. */

export interface Random {
  /** From 0 up to, but without, 1. */
  readonly next: () => number
  /** A whole number from `min` to `max`. */
  readonly int: (min: number, max: number) => number
  readonly chance: (share: number) => boolean
  readonly one: <A>(choices: ReadonlyArray<A>) => A
  readonly many: <A>(min: number, max: number, make: () => A) => ReadonlyArray<A>
}

/** Mulberry32: small, and the same on every machine. */
const seeded = (seed: number): Random => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const int = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    int,
    chance: (share) => next() < share,
    one: (choices) => choices[int(0, choices.length - 1)]!,
    many: (min, max, make) => Array.from({ length: int(min, max) }, make)
  }
}

/** Runs `test` with a seed of its own and puts that seed before whatever it fails with. */
export const withSeed = async (test: (random: Random) => Promise<void>): Promise<void> => {
  const seed = Number(process.env["SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0])
  try {
    await test(seeded(seed))
  } catch (error) {
    throw new Error(`SEED=${seed} shows it again: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error
    })
  }
}
