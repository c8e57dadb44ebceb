/** Starts one of this folder's programs as the product's are started, with its compiled modules kept. */
import { run } from "../../programs/node.js"

const [, , name = ""] = process.argv
await run(import.meta.url, () => import(`./${name.charAt(0).toUpperCase()}${name.slice(1)}.ts`))
