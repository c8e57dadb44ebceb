/** Whether a generation holds what it should, before anybody searches in it. */
import { Effect, Schema } from "effect"
import { OutboxReport } from "../outbox/OutboxReport.ts"
import { SearchIndex } from "./SearchIndex.ts"
import { SearchSource } from "./SearchSource.ts"

/** The generation does not hold what it should; what is live was not touched. */
export class GenerationDiffers extends Schema.TaggedError<GenerationDiffers>("wordloom/search/GenerationDiffers")(
  "GenerationDiffers",
  { generation: Schema.String, expected: Schema.Int, found: Schema.Int }
) {
  override get message() {
    return `${this.generation} holds ${this.found} documents where ${this.expected} are expected`
  }
}

/** Entities come and go while both sides are counted, so a difference may be gone at the next look. */
const looksMax = 40
const lookEvery = "250 millis"

const underWay = Effect.map(OutboxReport.use(({ stats }) => stats), (all) => {
  const search = all.find(({ projection }) => projection === "search")!
  return search.pending + search.processing
})

/** As many documents as entities, but for what is under way. */
export const verify = Effect.fnUntraced(function*(generation: string) {
  const source = yield* SearchSource
  const { generations } = yield* SearchIndex
  for (let look = 1;; look++) {
    const before = yield* underWay
    const expected = yield* source.count
    const found = yield* generations.count(generation)
    const slack = Math.max(before, yield* underWay)
    if (Math.abs(expected - found) <= slack) return
    if (look === looksMax) return yield* new GenerationDiffers({ generation, expected, found })
    yield* Effect.sleep(lookEvery)
  }
})
