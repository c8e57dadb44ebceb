#!/usr/bin/env node
/** The command line: `node programs/wordloom.js --help`. */
import { run } from "./node.js"

await run(import.meta.url, () => import("./compose/Wordloom.ts"))
