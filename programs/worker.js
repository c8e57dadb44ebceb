#!/usr/bin/env node
/** The worker: tells the search index and the chronicle of every committed change. */
import { run } from "./node.js"

await run(import.meta.url, () => import("./compose/Worker.ts"))
