/** The console's files: read once, each under an address of its own, and sent again only when they have changed. */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { joined } from "./ConsoleScript.ts"

export interface ConsoleFile {
  readonly path: `/${string}`
  readonly type: string
  readonly bytes: Uint8Array
  readonly etag: string
}

const folder = fileURLToPath(new URL("./console/", import.meta.url))
/** Its modules for browsers, and for servers, which are not asked for here, lie beside each other. */
const library = new URL("../lit-html.js", import.meta.resolve("lit-html"))

const fileOf = (path: `/${string}`, type: string, text: string): ConsoleFile => {
  const bytes = Buffer.from(text)
  const digest = createHash("sha256").update(bytes).digest("base64url").slice(0, 22)
  return { path, type, bytes, etag: `"${digest}"` }
}

const textOf = (name: string) => readFileSync(`${folder}${name}`, "utf8")

const script = () => {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"))
  const packed = readFileSync(library, "utf8").replace(/\n\/\/# sourceMappingURL=.*/, "")
  return joined(
    new Map([["lit-html", packed], ...names.map((name) => [`/${name}`, textOf(name)] as const)]),
    "/console.js"
  )
}

const javascript = "text/javascript; charset=utf-8"

/** Everything that the page asks for. */
export const read = (): ReadonlyArray<ConsoleFile> => [
  fileOf("/console/console.css", "text/css; charset=utf-8", textOf("console.css")),
  fileOf("/console/console.js", javascript, script()),
  fileOf("/console/icon.svg", "image/svg+xml", textOf("icon.svg")),
  fileOf("/console/theme.js", javascript, textOf("theme.js"))
]

export const readPage = (): ConsoleFile => fileOf("/", "text/html; charset=utf-8", textOf("index.html"))
