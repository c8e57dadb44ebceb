/** A collector with a fault in a process of its own. FaultySink.ts FAULT */
import { faults, faultyCollector } from "../test/support/FaultyCollector.ts"
import { ready, report, whenTold } from "./ChildSide.ts"

const fault = faults.find((name) => name === process.argv[2]) ?? "none"
const collector = await faultyCollector(fault)

// One that is down has nothing else to live for.
setInterval(() => {}, 60_000)
ready(collector.url)
whenTold(() => {
  report({ accepted: collector.accepted(), ...collector.atOnce() })
  process.exit(0)
})
