/** The chronicle in memory keeps its promises. */
import * as ChronicleSuite from "../conformance/ChronicleSuite.ts"
import * as MemoryStores from "../support/MemoryStores.ts"

const store = { name: "memory", layer: MemoryStores.layer }

ChronicleSuite.suite(store)
