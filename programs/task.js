#!/usr/bin/env node
/** The task: takes messages from the bus and pushes them to the gateways that hold members of their sessions. */
import { run } from "./node.js"

await run(import.meta.url, () => import("./compose/Task.ts"))
