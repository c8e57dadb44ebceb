/** The console's modules become one script that does what they do together, or the program says why not. */
import { assert, describe, it } from "@effect/vitest"
import { runInNewContext } from "node:vm"
import { joined } from "../../layers/http/ConsoleScript.ts"

const run = (modules: Readonly<Record<string, string>>) => {
  const told: Array<unknown> = []
  const script = joined(new Map(Object.entries(modules)), "/begin.js")
  runInNewContext(script, { tell: (each: unknown) => told.push(each) })
  return told
}

describe("the console's script", () => {
  it("runs each module once, behind those that it imports, and keeps their names apart", () => {
    const told = run({
      "/begin.js": `import { name as left } from "./pages/left.js"
import {
  name,
  Right
} from "./pages/right.js"
tell(left + name + new Right().own)`,
      "/pages/left.js": `import { one } from "../shared.js"\nconst own = "a"\nexport const name = one(own)`,
      "/pages/right.js": `import { one } from "../shared.js"
import { packed } from "library"
const own = "b"
export const name = one(own)
export class Right { own = packed }`,
      "/shared.js": `tell("shared")\nexport const one = (text) => text + "!"`,
      "library": `const $=1,q="p";export{$ as _$,q as packed};`,
      "/unused.js": `tell("unused")`
    })
    assert.deepStrictEqual(told, ["shared", "a!b!p"])
  })

  it("says which module has a shape that it does not know, or is missing", () => {
    for (
      const line of ["import all from \"./a.js\"", "import \"./a.js\"", "export default 1", "export * from \"./a.js\""]
    ) {
      assert.throws(() => run({ "/begin.js": line, "/a.js": "" }), /\/begin\.js imports or exports something/, line)
    }
    assert.throws(() => run({ "/begin.js": "import { a } from \"./b.js\"" }), /no module \/b\.js/)
  })
})
