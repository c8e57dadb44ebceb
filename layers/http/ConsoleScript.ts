/**
 * The console's modules as one file, so that a browser asks once: with a module each, the page waited for nineteen
 * answers before it could begin.
 *
 * Each becomes a function that answers what it exports, behind those that it imports. Only the shapes are known that
 * the console's own modules and lit-html have; any other is an error when the program starts.
 */

/** Where a module is, and its text. */
export type Modules = ReadonlyMap<string, string>

const imported = /^import \{([^}]*)\} from "([^"]+)"$/gm
const declared = /^export (const|class) (\w+)/gm
/** As a packed library says it. */
const listed = /\bexport\{([^}]*)\};?/g
const unknown = /^\s*(?:import|export)\b(?!\()/m

const targetOf = (from: string, name: string): string =>
  name.startsWith(".") ? new URL(name, `file:${from}`).pathname : name

const importsOf = (path: string, text: string): ReadonlyArray<string> =>
  [...text.matchAll(imported)].map(([, , name]) => targetOf(path, name!))

const inOrder = (modules: Modules, entry: string): ReadonlyArray<string> => {
  const order: Array<string> = []
  const visit = (path: string) => {
    if (order.includes(path)) return
    const text = modules.get(path)
    if (text === undefined) throw new Error(`the console has no module ${path}`)
    importsOf(path, text).forEach(visit)
    order.push(path)
  }
  visit(entry)
  return order
}

const renamed = (names: string) => names.replaceAll(/(\w+) as (\w+)/g, "$1: $2")

export const joined = (modules: Modules, entry: string): string => {
  const order = inOrder(modules, entry)
  const variable = (path: string) => `module${order.indexOf(path)}`
  const asFunction = (path: string) => {
    const exports: Array<string> = []
    const body = modules.get(path)!
      .replaceAll(
        imported,
        (_, names: string, name: string) => `const {${renamed(names)}} = ${variable(targetOf(path, name))}`
      )
      .replaceAll(declared, (_, kind: string, name: string) => {
        exports.push(name)
        return `${kind} ${name}`
      })
      .replaceAll(listed, (_, names: string) => {
        exports.push(...names.split(",").map((each) => each.trim().replace(/^(\S+) as (\S+)$/, "$2: $1")))
        return ""
      })
    if (unknown.test(body)) throw new Error(`${path} imports or exports something in a shape that is not known`)
    return `const ${variable(path)} = (() => {\n${body}\nreturn { ${exports.join(", ")} }\n})()\n`
  }
  return order.map(asFunction).join("")
}
