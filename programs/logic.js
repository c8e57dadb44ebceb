#!/usr/bin/env node
/** Logic: takes what clients say over gRPC, and relays what was committed to the message bus. */
import { run } from "./node.js"

await run(import.meta.url, () => import("./compose/Logic.ts"))
