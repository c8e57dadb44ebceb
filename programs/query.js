#!/usr/bin/env node
/** A process of the request plane: serves stages of the search to the API. */
import { run } from "./node.js"

await run(import.meta.url, () => import("./compose/Query.ts"))
