/** Whether a generation says what the entities say, before anybody searches in it. */
import { Effect, Schema } from "effect"
import { repay } from "./Backfill.ts"
import { compare, driftCount } from "./Drift.ts"
import type { Build } from "./SearchBuilds.ts"
import { SearchIndex } from "./SearchIndex.ts"

/** The generation does not say what it should; what is live was not touched. */
export class GenerationDiffers extends Schema.TaggedError<GenerationDiffers>("wordloom/search/GenerationDiffers")(
  "GenerationDiffers",
  { generation: Schema.String, missing: Schema.Int, stale: Schema.Int, orphaned: Schema.Int }
) {
  override get message() {
    const { generation, missing, orphaned, stale } = this
    return `${generation} does not say what the entities say: ${missing} missing, ${stale} stale, ${orphaned} orphaned`
  }
}

/** What was missed while one look was taken is made up for before the next. */
const looksMax = 5
const lookEvery = "1 second"

/** Every entity's revision and content; what the index is still to be told of is not judged. */
export const verify = Effect.fnUntraced(function*(build: Build) {
  const { generation } = build
  const { generations } = yield* SearchIndex
  for (let look = 1;; look++) {
    yield* repay(build, generation)
    // Sums are taken of what searches would see.
    yield* generations.refresh(generation)
    const totals = yield* compare({ generation, onPart: () => Effect.void })
    if (driftCount(totals) === 0) return
    const { missing, orphaned, stale } = totals
    if (look === looksMax) return yield* new GenerationDiffers({ generation, missing, stale, orphaned })
    yield* Effect.sleep(lookEvery)
  }
})
