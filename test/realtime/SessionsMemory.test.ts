/** Sessions and who is where, in memory. */
import * as PresenceSuite from "../conformance/PresenceSuite.ts"
import * as SessionsSuite from "../conformance/SessionsSuite.ts"
import * as MemoryStores from "../support/MemoryStores.ts"

SessionsSuite.suite({ name: "memory", layer: MemoryStores.layer })
PresenceSuite.suite({ name: "memory", layer: MemoryStores.layer })
