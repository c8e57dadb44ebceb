/** Libraries and tags by name: found, or made when there is none of that name yet. */
import { Effect } from "effect"
import { Catalog } from "../catalog/Catalog.ts"
import { TagNames } from "../catalog/TagNames.ts"
import type { EntityId } from "../domain/Entity.ts"
import { Transaction } from "../outbox/Transaction.ts"
import { ImportProgress } from "./ImportProgress.ts"
import { colorOf } from "./TagColor.ts"

/** A file may name any number of tags; what is not remembered is looked up again. */
const rememberedMax = 10_000

type Known = Map<string, EntityId>

/** The ids of names, remembered. Whoever finds that one is gone must `forget`. */
export const make = Effect.gen(function*() {
  const catalog = yield* Catalog
  const tagNames = yield* TagNames
  const transaction = yield* Transaction
  const progress = yield* ImportProgress
  const libraries: Known = new Map()
  const tags: Known = new Map()

  const unknown = (known: Known, names: Iterable<string>) => {
    const wanted = new Set(names)
    if (known.size + wanted.size > rememberedMax) known.clear()
    return [...wanted].filter((name) => !known.has(name))
  }

  const libraryId = (name: string) =>
    transaction.run(Effect.gen(function*() {
      return (yield* progress.libraryNamed(name)) ?? (yield* catalog.create("library", { name })).id
    }))

  const tagFields = (name: string) => ({ name, color: colorOf(name) })

  /** Somebody else may make the tag between our look and our write. */
  const tagId = (name: string) =>
    catalog.create("tag", tagFields(name)).pipe(
      Effect.map(({ id }) => id),
      Effect.catchTag("NameTaken", (taken) =>
        Effect.flatMap(tagNames.idOf(name), (id) => id === undefined ? Effect.fail(taken) : Effect.succeed(id)))
    )

  const makeTags = (names: ReadonlyArray<string>) =>
    catalog.createAll("tag", names.map(tagFields)).pipe(
      Effect.map((made) => made.map(({ id }) => id)),
      Effect.catchTag("NameTaken", () => Effect.forEach(names, tagId))
    )

  const learnTags = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
    const missing: Array<string> = []
    for (const name of names) {
      const id = yield* tagNames.idOf(name)
      if (id === undefined) missing.push(name)
      else tags.set(name, id)
    }
    const made = missing.length === 0 ? [] : yield* makeTags(missing)
    made.forEach((id, at) => tags.set(missing[at]!, id))
  })

  return {
    /** Makes every one of these names known to `library` and `tag`, until the next `learn`. */
    learn: Effect.fnUntraced(function*(named: {
      readonly libraries: Iterable<string>
      readonly tags: Iterable<string>
    }) {
      for (const name of unknown(libraries, named.libraries)) libraries.set(name, yield* libraryId(name))
      yield* learnTags(unknown(tags, named.tags))
    }),
    library: (name: string): EntityId => libraries.get(name)!,
    tag: (name: string): EntityId => tags.get(name)!,
    forget: Effect.sync(() => {
      libraries.clear()
      tags.clear()
    })
  }
})
