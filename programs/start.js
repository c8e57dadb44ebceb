#!/usr/bin/env node
/** Everything in one process, for a first look and for small installations. */
import { run } from "./node.js"

await run(import.meta.url, () => import("./compose/Start.ts"))
