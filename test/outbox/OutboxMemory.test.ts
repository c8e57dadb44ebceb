/** The outbox in memory keeps its promises, so that the tests of the worker may lean on it. */
import * as LeasesSuite from "../conformance/LeasesSuite.ts"
import * as OutboxReportSuite from "../conformance/OutboxReportSuite.ts"
import * as ReclaimSuite from "../conformance/ReclaimSuite.ts"
import * as MemoryStores from "../support/MemoryStores.ts"

const store = { name: "memory", layer: MemoryStores.layer }

LeasesSuite.suite(store)
ReclaimSuite.suite(store)
OutboxReportSuite.suite(store)
