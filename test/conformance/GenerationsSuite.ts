/** What every search index promises of its generations. Each test makes its own, so none needs an empty index. */
import { assert, layer, type Vitest } from "@effect/vitest"
import { type Duration, Effect, Layer } from "effect"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { assertFound, at, newWord, put, removal, write } from "../search/SearchFixtures.ts"

type It = Vitest.MethodsNonLive<SearchIndex>

const generations = Effect.map(SearchIndex, ({ generations }) => generations)
const live = Effect.gen(function*() {
  const all = yield* (yield* generations).list
  const found = all.filter((each) => each.live)
  assert.lengthOf(found, 1)
  return found[0]!.name
})

const made = Effect.gen(function*() {
  const { create, next } = yield* generations
  const name = yield* next
  yield* create(name)
  return name
})

const putInto = (generation: string, ...writes: ReadonlyArray<ReturnType<typeof write>>) =>
  SearchIndex.use((index) =>
    Effect.map(index.write(writes, { generation, visible: true }), ({ results }) => results.map(({ _tag }) => _tag))
  )

/** Its documents without tombstones. */
const count = Effect.fnUntraced(function*(name: string) {
  const { digests, generations: { refresh } } = yield* SearchIndex
  yield* refresh(name)
  const [whole] = yield* digests([{ after: undefined, to: undefined }], name)
  return whole?.count
})

const beside = (it: It) => {
  it.effect("are made empty beside the live one, under a name of their own", () =>
    Effect.gen(function*() {
      const { create, list, next } = yield* generations
      const before = yield* live
      const name = yield* next
      assert.strictEqual(yield* next, name)
      yield* create(name)
      yield* putInto(name, write())
      yield* create(name)
      assert.deepInclude(yield* list, { name, live: false, writable: true })
      assert.strictEqual(yield* count(name), 1)
      assert.strictEqual(yield* live, before)
      assert.notStrictEqual(yield* next, name)
    }))

  it.effect("take writes that no search finds, and keep what is newest", () =>
    Effect.gen(function*() {
      const name = yield* made
      const [title, other] = [newWord(), newWord()]
      const one = write({ title }, { version: 2 })
      assert.deepStrictEqual(yield* putInto(name, one, write({ title: other })), ["Written", "Written"])
      assert.deepStrictEqual(yield* putInto(name, at(one, 1)), ["Superseded"])
      assert.deepStrictEqual(yield* putInto(name, removal(one.id, 3)), ["Written"])
      assert.strictEqual(yield* count(name), 1)
      yield* (yield* SearchIndex).refresh
      yield* assertFound(title, [])
      yield* assertFound(other, [])
    }))

  it.effect("that are not there take nothing, and are not made by a write", () =>
    Effect.gen(function*() {
      const { list, next } = yield* generations
      const name = yield* next
      const { results } = yield* (yield* SearchIndex).write([write()], { generation: name })
      const [result] = results
      assert.strictEqual(result?._tag === "Failed" ? result.failure.class : result?._tag, "configuration")
      assert.isUndefined((yield* list).find((each) => each.name === name))
    }))
}

const swaps = (it: It) => {
  it.effect("take the place of the live one and give it back, each with what it was given", () =>
    Effect.gen(function*() {
      const { makeLive } = yield* generations
      const [old, name] = [yield* live, yield* made]
      const [before, title, after] = [newWord(), newWord(), newWord()]
      const [first, second, third] = [write({ title: before }), write({ title }), write({ title: after })]
      yield* put(first)
      yield* (yield* SearchIndex).write([second], { generation: name })
      yield* makeLive(name)
      assert.strictEqual(yield* live, name)
      // Found without a refresh: it was made for that before.
      yield* assertFound(title, [second])
      yield* assertFound(before, [])
      yield* put(third)
      yield* assertFound(after, [third])
      assert.strictEqual((yield* (yield* SearchIndex).stateOf(third.id))?.version, 1)
      yield* makeLive(old)
      yield* makeLive(old)
      assert.strictEqual(yield* live, old)
      yield* assertFound(before, [first])
      yield* assertFound(after, [])
    }))

  it.effect("go when they are dropped, more than once, and the live one stays as it is", () =>
    Effect.gen(function*() {
      const { drop, list } = yield* generations
      const [old, name, title] = [yield* live, yield* made, newWord()]
      const one = write({ title })
      yield* put(one)
      yield* putInto(name, write())
      yield* drop(name)
      yield* drop(name)
      assert.isUndefined((yield* list).find((each) => each.name === name))
      assert.strictEqual(yield* live, old)
      yield* assertFound(title, [one])
    }))

  it.effect("are swapped under searches of which none fails or finds nothing", () =>
    Effect.gen(function*() {
      const { makeLive } = yield* generations
      const [old, name, title] = [yield* live, yield* made, newWord()]
      const one = write({ title })
      yield* put(one)
      yield* putInto(name, one)
      const swapping = Effect.forEach([name, old, name, old, name, old], makeLive, { discard: true })
      const asking = Effect.forever(Effect.andThen(assertFound(title, [one]), Effect.yieldNow))
      yield* Effect.raceFirst(swapping, asking)
      assert.strictEqual(yield* live, old)
    }))
}

export const suite = <E>(options: {
  readonly name: string
  readonly layer: Layer.Layer<SearchIndex, E>
  readonly timeout?: Duration.Input
}) => {
  const prepared = Layer.effectDiscard(SearchIndex.use(({ prepare }) => prepare)).pipe(
    Layer.provideMerge(options.layer)
  )
  layer(prepared, { excludeTestServices: true, timeout: options.timeout ?? "30 seconds" })(
    `generations (${options.name})`,
    (it) => [beside, swaps].forEach((part) => part(it))
  )
}
