/** The entities in memory keep their promises. */
import * as EntityStoreSuite from "../conformance/EntityStoreSuite.ts"
import * as IdempotencySuite from "../conformance/IdempotencySuite.ts"
import * as MemoryStores from "../support/MemoryStores.ts"

const store = { name: "memory", layer: MemoryStores.layer }

EntityStoreSuite.suite(store)
IdempotencySuite.suite(store)
