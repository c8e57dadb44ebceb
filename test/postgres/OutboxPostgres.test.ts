/** The outbox in PostgreSQL keeps its promises. */
import * as LeasesSuite from "../conformance/LeasesSuite.ts"
import * as OutboxReportSuite from "../conformance/OutboxReportSuite.ts"
import * as ReclaimSuite from "../conformance/ReclaimSuite.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const store = { name: "PostgreSQL", layer: PostgresStores.layer, excludeTestServices: true }

LeasesSuite.suite(store)
ReclaimSuite.suite(store)
OutboxReportSuite.suite(store)
