#!/usr/bin/env node
/** The HTTP API: writes entities and their changes to PostgreSQL, and answers searches. */
import { run } from "./node.js"

await run(import.meta.url, () => import("./compose/Api.ts"))
