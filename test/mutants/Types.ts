/** A mutant that does not compile would fail every test and prove nothing: the compiler looks at all of them first. */
import * as Path from "node:path"
import { run } from "./Commands.ts"
import type { Copy } from "./Copy.ts"
import type { Place } from "./Mutant.ts"

const boundMs = 240_000

/** Of a mutant it is only asked that it fits; what it leaves unused is part of the bug. */
const lenient = ["--noUnusedLocals", "false", "--noUnusedParameters", "false"]

/** What the compiler says, by file. */
const errorsIn = async ({ folder }: Copy) => {
  const tsc = Path.join(folder, "node_modules/typescript/bin/tsc")
  const { code, output } = await run(folder, process.execPath, [tsc, "-p", ".", ...lenient], { boundMs })
  if (code === null) throw new Error("the compiler did not come to an end")
  return output.split("\n").flatMap((line) => {
    const [, file, error] = /^([^(]+)\(\d+,\d+\): (error .*)$/.exec(line) ?? []
    return file === undefined || error === undefined ? [] : [{ file, error: error.slice(0, 160) }]
  })
}

type Errors = Awaited<ReturnType<typeof errorsIn>>

/** What the compiler says of the tree that it would not say without the planted places. */
const addedBy = async (copy: Copy, own: () => Promise<Errors>) => {
  const found = await errorsIn(copy)
  copy.restore()
  if (found.length === 0) return []
  const known = await own()
  return found.filter(({ error, file }) => !known.some((one) => one.file === file && one.error === error))
}

/** Plants what can be planted on top of what is planted already, and answers which that is. */
const plantAll = (copy: Copy, places: ReadonlyArray<Place>) =>
  places.filter(({ edits }) => copy.plant(edits) === undefined)

/**
 * What the compiler says of each place that it refuses. All that do not touch the same lines are planted at once, since
 * one run of the compiler costs as much as several of the tests; only where it finds something is each asked by itself.
 */
export const brokenTypes = async (copy: Copy, places: ReadonlyArray<Place>): Promise<ReadonlyMap<Place, string>> => {
  let asked: Promise<Errors> | undefined
  const own = () => asked ??= errorsIn(copy)
  const broken = new Map<Place, string>()
  const judge = async (planted: ReadonlyArray<Place>) => {
    const [first, ...others] = await addedBy(copy, own)
    if (first === undefined) return
    const suspects = planted.filter(({ edits }) =>
      [first, ...others].some(({ file }) => edits.some((edit) => edit.file === file))
    )
    const [only, ...more] = suspects.length === 0 ? planted : suspects
    if (only !== undefined && more.length === 0) return void broken.set(only, `${first.file}: ${first.error}`)
    for (const place of [only!, ...more]) await judge(plantAll(copy, [place]))
  }
  let left = places
  while (left.length > 0) {
    const planted = plantAll(copy, left)
    // What cannot even be planted alone is stale, and said to be so when its turn comes.
    if (planted.length === 0) return broken
    left = left.filter((place) => !planted.includes(place))
    await judge(planted)
  }
  return broken
}
