/** The chronicle in PostgreSQL keeps its promises. */
import * as ChronicleSuite from "../conformance/ChronicleSuite.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

const store = { name: "PostgreSQL", layer: PostgresStores.layer, excludeTestServices: true }

ChronicleSuite.suite(store)
