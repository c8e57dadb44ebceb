/** A temporary copy of the tree: mutants are planted there, and nowhere else. */
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import type { Edit } from "./Mutant.ts"

const root = Path.resolve(import.meta.dirname, "../..")
const copied = ["src", "layers", "programs", "test", "infra", "package.json", "tsconfig.json", "vitest.config.ts"]

const link = (target: string, path: string) => {
  if (Fs.existsSync(target)) Fs.symlinkSync(target, path)
}

/**
 * The packages are linked one by one into a folder of the copy's own: what vitest and Node keep in `node_modules` then
 * stays in the copy too.
 */
const linkPackages = (folder: string) => {
  Fs.mkdirSync(folder)
  for (const name of Fs.readdirSync(Path.join(root, "node_modules"))) {
    if (name === ".bin" || !name.startsWith(".")) link(Path.join(root, "node_modules", name), Path.join(folder, name))
  }
}

export interface Copy {
  readonly folder: string
  /** Plants the edits; answers why it cannot, and then nothing is changed. */
  readonly plant: (edits: ReadonlyArray<Edit>) => string | undefined
  /** Puts back every file as it was when the copy was made. */
  readonly restore: () => void
  readonly remove: () => void
}

const occurrences = (text: string, part: string) => text.split(part).length - 1

/** The text with the edit made, or why it cannot be made. */
const edited = (text: string | undefined, { after, before, file }: Edit): { text: string } | { stale: string } => {
  if (text === undefined) return { stale: `${file} is not there any more` }
  const times = occurrences(text, before)
  if (times !== 1) return { stale: `${file}: ${times} times instead of once: ${JSON.stringify(before.slice(0, 80))}` }
  return { text: text.replace(before, () => after) }
}

export const make = (): Copy => {
  // The real path: modules are found by it, and tests compare it.
  const folder = Fs.realpathSync(Fs.mkdtempSync(Path.join(tmpdir(), `wordloom-mutants-${process.pid}-`)))
  for (const part of copied) Fs.cpSync(Path.join(root, part), Path.join(folder, part), { recursive: true })
  linkPackages(Path.join(folder, "node_modules"))
  link(Path.join(root, ".tools"), Path.join(folder, ".tools"))
  const originals = new Map<string, string>()
  const read = (file: string) => {
    const path = Path.join(folder, file)
    return Fs.existsSync(path) ? Fs.readFileSync(path, "utf8") : undefined
  }

  const plant = (edits: ReadonlyArray<Edit>) => {
    const texts = new Map<string, string>()
    for (const edit of edits) {
      const made = edited(texts.get(edit.file) ?? read(edit.file), edit)
      if ("stale" in made) return made.stale
      texts.set(edit.file, made.text)
    }
    for (const [file, text] of texts) {
      if (!originals.has(file)) originals.set(file, read(file)!)
      Fs.writeFileSync(Path.join(folder, file), text)
    }
    return undefined
  }

  return {
    folder,
    plant,
    restore: () => {
      for (const [file, text] of originals) Fs.writeFileSync(Path.join(folder, file), text)
      originals.clear()
    },
    remove: () => Fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
