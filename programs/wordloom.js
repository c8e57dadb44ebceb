#!/usr/bin/env node
import { run } from "./node.js"

await run(import.meta.url, () => import("./compose/Wordloom.ts"))
