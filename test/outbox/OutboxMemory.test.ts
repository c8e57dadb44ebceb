/** The outbox in memory keeps its promises, so that the tests of the worker may lean on it. */
import * as DeadGroupsSuite from "../conformance/DeadGroupsSuite.ts"
import * as DeliveryStatusSuite from "../conformance/DeliveryStatusSuite.ts"
import * as LanesSuite from "../conformance/LanesSuite.ts"
import * as LeasesSuite from "../conformance/LeasesSuite.ts"
import * as OrderSuite from "../conformance/OrderSuite.ts"
import * as OutboxOverviewSuite from "../conformance/OutboxOverviewSuite.ts"
import * as OutboxReportSuite from "../conformance/OutboxReportSuite.ts"
import * as QueuedSuite from "../conformance/QueuedSuite.ts"
import * as ReclaimSuite from "../conformance/ReclaimSuite.ts"
import * as SettlingSuite from "../conformance/SettlingSuite.ts"
import * as MemoryStores from "../support/MemoryStores.ts"

const store = { name: "memory", layer: MemoryStores.layer }

LeasesSuite.suite(store)
SettlingSuite.suite(store)
LanesSuite.suite(store)
OrderSuite.suite(store)
ReclaimSuite.suite(store)
OutboxReportSuite.suite(store)
OutboxOverviewSuite.suite(store)
DeadGroupsSuite.suite(store)
DeliveryStatusSuite.suite(store)
QueuedSuite.suite(store)
