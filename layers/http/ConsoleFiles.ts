/**
 * The console's files: read once, each under an address of its own, and sent again only when they have changed.
 *
 * Browsers know no bare names, so `lit-html` is replaced by the address under which the package itself is served.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

export interface ConsoleFile {
  readonly path: `/${string}`
  readonly type: string
  readonly bytes: Uint8Array
  readonly etag: string
}

const types: Readonly<Record<string, string>> = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml"
}

const folder = fileURLToPath(new URL("./console/", import.meta.url))
/** Its modules for browsers, and for servers, which are not asked for here, lie beside each other. */
const library = new URL("../lit-html.js", import.meta.resolve("lit-html"))
const libraryPath = "/console/lit-html.js"

const fileOf = (path: `/${string}`, type: string, text: string): ConsoleFile => {
  const bytes = Buffer.from(text.replaceAll(/(from\s*)"lit-html"/g, `$1"${libraryPath}"`))
  const digest = createHash("sha256").update(bytes).digest("base64url").slice(0, 22)
  return { path, type, bytes, etag: `"${digest}"` }
}

/** Everything that the page asks for. */
export const read = (): ReadonlyArray<ConsoleFile> => [
  fileOf(libraryPath, types["js"]!, readFileSync(library, "utf8").replace(/\n\/\/# sourceMappingURL=.*/, "")),
  ...readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted().flatMap((name) => {
    const type = types[name.split(".").at(-1)!]
    return type === undefined ? [] : [fileOf(`/console/${name}`, type, readFileSync(`${folder}${name}`, "utf8"))]
  })
]

/** The browser is told of every module at once, instead of finding each in the one before it. */
export const readPage = (files: ReadonlyArray<ConsoleFile>): ConsoleFile => {
  const modules = files.filter(({ path }) => path.endsWith(".js") && path !== "/console/theme.js")
  const links = modules.map(({ path }) => `<link rel="modulepreload" href="${path}">\n`).join("")
  const page = readFileSync(`${folder}index.html`, "utf8").replace("</head>", `${links}</head>`)
  return fileOf("/", "text/html; charset=utf-8", page)
}
