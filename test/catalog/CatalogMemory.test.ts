/** The entities in memory keep their promises. */
import * as CatalogSuite from "../conformance/CatalogSuite.ts"
import * as EntityStoreSuite from "../conformance/EntityStoreSuite.ts"
import * as FanOutsSuite from "../conformance/FanOutsSuite.ts"
import * as IdempotencySuite from "../conformance/IdempotencySuite.ts"
import * as ReconcileStoreSuite from "../conformance/ReconcileStoreSuite.ts"
import * as SearchSourceSuite from "../conformance/SearchSourceSuite.ts"
import * as TraceSignalsSuite from "../conformance/TraceSignalsSuite.ts"
import * as MemoryStores from "../support/MemoryStores.ts"

const store = { name: "memory", layer: MemoryStores.layer }

CatalogSuite.suite(store)
EntityStoreSuite.suite(store)
FanOutsSuite.suite(store)
IdempotencySuite.suite(store)
ReconcileStoreSuite.suite(store)
SearchSourceSuite.suite(store)
TraceSignalsSuite.suite(store)
