/** Asks the search index questions and reports the milliseconds of each. program.js find COUNT CLIENTS */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { find } from "../../src/search/Find.ts"
import { parseQuery, type SearchTerms } from "../../src/search/SearchQuery.ts"
import { report, whenTold } from "../ChildSide.ts"
import { runInFoundation } from "./RunInFoundation.ts"

const [count = 100, clients = 1] = process.argv.slice(3).map(Number)

/** Enough for both sides to have compiled and read what they need. */
const warmUps = 200

/** A word, a beginning, two words, a phrase, and one left out: of texts that are there, spread over all of them. */
const asked = [
  (words: ReadonlyArray<string>) => `${words[0]} `,
  (words: ReadonlyArray<string>) => words[0]!.slice(0, 4),
  (words: ReadonlyArray<string>) => `${words[0]} ${words.at(-1)}`,
  (words: ReadonlyArray<string>) => `"${words.slice(0, 2).join(" ")}"`,
  (words: ReadonlyArray<string>) => `${words[0]} -${words.at(-1)} `
]

const program = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const texts = yield* sql<{ readonly title: string }>`
    select title from blocks where length(title) > 4 order by md5(id::text) limit ${count + warmUps}`
  const questions = texts.map(({ title }, at) =>
    parseQuery(asked[at % asked.length]!(title.split(/[^\p{L}]+/u).filter((word) => word.length > 2).concat("dog")))
  )
  const timed = Effect.fnUntraced(function*(terms: SearchTerms) {
    const startedAt = performance.now()
    const { items } = yield* find({ terms }, 20, undefined)
    return { ms: performance.now() - startedAt, items: items.length }
  })
  yield* Effect.forEach(questions.slice(0, warmUps), timed, { concurrency: clients, discard: true })
  const startedAt = performance.now()
  const answers = yield* Effect.forEach(questions.slice(warmUps), timed, { concurrency: clients })
  return {
    seconds: (performance.now() - startedAt) / 1_000,
    ms: answers.map(({ ms }) => ms),
    empty: answers.filter(({ items }) => items === 0).length
  }
})

whenTold(() => process.exit(3))
report(await runInFoundation(program))
process.exit(0)
