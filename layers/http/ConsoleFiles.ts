/** What a browser gets of the console: read once, each under an address of its own. */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { joined } from "./ConsoleScript.ts"

export interface ConsoleFile {
  readonly path: `/${string}`
  readonly type: string
  readonly bytes: Uint8Array
  /** Of other bytes it is another one. */
  readonly digest: string
}

const folder = fileURLToPath(new URL("./console/", import.meta.url))
/** Its modules for browsers, and for servers, which are not asked for here, lie beside each other. */
const library = new URL("../lit-html.js", import.meta.resolve("lit-html"))

const fileOf = (path: `/${string}`, type: string, text: string): ConsoleFile => {
  const bytes = Buffer.from(text)
  return { path, type, bytes, digest: createHash("sha256").update(bytes).digest("base64url").slice(0, 22) }
}

const textOf = (name: string) => readFileSync(`${folder}${name}`, "utf8")

const scriptOf = () => {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"))
  const packed = readFileSync(library, "utf8").replace(/\n\/\/# sourceMappingURL=.*/, "")
  return joined(
    new Map([["lit-html", packed], ...names.map((name) => [`/${name}`, textOf(name)] as const)]),
    "/console.js"
  )
}

const script = fileOf("/console/console.js", "text/javascript; charset=utf-8", scriptOf())
const icon = fileOf("/console/icon.svg", "image/svg+xml", textOf("icon.svg"))

/** What a browser needs before it draws anything stands in each page itself: each file more is a wait. */
const [theme, style] = [textOf("theme.js"), textOf("console.css")]

const shell = textOf("index.html")
  .replace("<script src=\"/console/theme.js\"></script>", () => `<script>${theme}</script>`)
  .replace("<link rel=\"stylesheet\" href=\"/console/console.css\">", () => `<style>${style}</style>`)
  .replace(
    "<img src=\"/console/icon.svg\" alt=\"\">",
    () => textOf("icon.svg").replace(/xmlns="[^"]*"/, "aria-hidden=\"true\"")
  )
  .replaceAll(script.path, `${script.path}?${script.digest}`)

const pageOf = (path: `/${string}`) =>
  fileOf(
    path,
    "text/html; charset=utf-8",
    shell.replace(`<a href="${path}">`, `<a href="${path}" aria-current="page">`)
  )

/** The page without what it shows; the others show one thing each. */
export const overview = pageOf("/")

export const files: ReadonlyArray<ConsoleFile> = [
  ...(["/outbox", "/dead", "/explain", "/search", "/chronicle"] as const).map(pageOf),
  script,
  icon
]

const named = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`

/** Nothing from elsewhere, and no script or style but what is served here and what every page begins with. */
export const policy = [
  "default-src 'none'",
  `script-src 'self' ${named(theme)}`,
  `style-src ${named(style)}`,
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types lit-html"
].join("; ")
