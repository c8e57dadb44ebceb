/** Writes one tag after the other, and waits for each until it can be found. program.js visible N */
import { Duration, Effect } from "effect"
import { randomUUID } from "node:crypto"
import { Catalog } from "../../src/catalog/Catalog.ts"
import { Visibility } from "../../src/search/Visibility.ts"
import { monotonic, produce, report } from "../ChildSide.ts"
import { runInFoundation } from "./RunInFoundation.ts"

await runInFoundation(
  Effect.gen(function*() {
    const [catalog, visibility] = [yield* Catalog, yield* Visibility]
    const context = yield* Effect.context()
    const run = Effect.runPromiseWith(context)
    const foundAt = new Map<string, string | null>()
    const committedAt = new Map<string, string>()
    const send = async (name: string) => {
      const tag = await run(catalog.create("tag", { name, color: "#1E90FF" }))
      committedAt.set(name, monotonic())
      const found = await run(visibility.await(tag.id, tag.version, Duration.seconds(10)))
      foundAt.set(name, found ? monotonic() : null)
    }
    const samples = yield* Effect.promise(() => produce(Number(process.argv[3]), () => randomUUID(), send))
    report(samples.map(({ key, sentAt }) => ({ sentAt, committedAt: committedAt.get(key), foundAt: foundAt.get(key) })))
  }).pipe(Effect.provide(Visibility.layer))
)
