/** No span of the product takes a stack in case that it fails. */
import { assert, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "../..")

/** What stands between the parentheses that open at `at`. */
const argumentsAt = (text: string, at: number) => {
  let depth = 0
  for (let end = at; end < text.length; end++) {
    if (text[end] === "(") depth++
    if (text[end] === ")" && --depth === 0) return text.slice(at, end)
  }
  return text.slice(at)
}

const spans = globSync("{src,layers,programs}/**/*.ts", { cwd: root }).flatMap((path) => {
  const text = readFileSync(join(root, path), "utf8").replaceAll(/^ *(\/?\*|\/\/).*$/gm, "")
  return [...text.matchAll(/Effect\.(withSpan|withParentSpan|fn)(?=\()/g)].map((found) => ({
    call: `${path}: ${found[0]}(${argumentsAt(text, found.index + found[0].length).slice(1, 60)}`,
    isWithout: /\bwithoutStack,?\s*$/.test(argumentsAt(text, found.index + found[0].length))
  }))
})

it("every span is made without a stack", () => {
  assert.isAbove(spans.length, 20)
  assert.deepStrictEqual(spans.filter(({ isWithout }) => !isWithout).map(({ call }) => call), [])
})
