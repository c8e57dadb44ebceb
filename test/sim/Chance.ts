/** Where every random value of a simulation comes from: streams of one seed that do not disturb each other. */
import type { Random } from "effect"
import { SecureRandom } from "effect/crypto"

export interface Chance {
  /** From 0 up to, but without, 1. */
  readonly next: () => number
  /** A whole number from `min` to `max`. */
  readonly int: (min: number, max: number) => number
  readonly between: (min: number, max: number) => number
  readonly of: (share: number) => boolean
  readonly one: <A>(choices: ReadonlyArray<A>) => A
}

/** Whole numbers from 0 to 2³²-1 by SplitMix32: neighbouring seeds have nothing in common. */
const splitMix = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let t = state ^ (state >>> 16)
    t = Math.imul(t, 0x21f0aaad)
    t ^= t >>> 15
    t = Math.imul(t, 0x735a2d97)
    return (t ^ (t >>> 15)) >>> 0
  }
}

const seedOf = (seed: number, stream: string): number => {
  let hash = Math.imul(seed ^ 0x51ed270b, 0x9e3779b1)
  for (const letter of stream) hash = Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193)
  return hash
}

/** The stream of that name: what one part of a run draws does not move what another part draws. */
export const stream = (seed: number, name: string): Chance => {
  const draw = splitMix(seedOf(seed, name))
  const next = () => draw() / 4_294_967_296
  const int = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    int,
    between: (min, max) => min + next() * (max - min),
    of: (share) => share > 0 && next() < share,
    one: (choices) => choices[int(0, choices.length - 1)]!
  }
}

/** As Effect's own random values. */
export const effectRandom = (chance: Chance): typeof Random.Random["Service"] => ({
  nextIntUnsafe: () => Math.floor((chance.next() - 0.5) * 2 * Number.MAX_SAFE_INTEGER),
  nextDoubleUnsafe: chance.next
})

/** Ids whose last digit is below `lanes`, so that few entities meet in one lane as many do in a large outbox. */
export const secureRandom = (chance: Chance, lanes: number) =>
  SecureRandom.make((size) => {
    const bytes = Uint8Array.from({ length: size }, () => chance.int(0, 255))
    bytes[size - 1] = chance.int(0, 15) * 16 + chance.int(0, lanes - 1)
    return bytes
  })
