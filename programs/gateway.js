#!/usr/bin/env node
/** The gateway: clients' WebSockets, their sessions, and what is pushed to them. */
import { run } from "./node.js"

await run(import.meta.url, () => import("./compose/Gateway.ts"))
