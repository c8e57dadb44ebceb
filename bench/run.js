#!/usr/bin/env node
/** The benchmark: how fast, how cheap and how prompt the outbox is, beside its peers. See bench/README.md. */
import { run } from "../programs/node.js"

await run(import.meta.url, () => import("./Bench.ts"))
