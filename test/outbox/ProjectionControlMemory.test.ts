/** Pauses in memory keep their promises, so that the tests of the worker may lean on them. */
import { Effect } from "effect"
import * as ProjectionControlSuite from "../conformance/ProjectionControlSuite.ts"
import * as MemoryStores from "../support/MemoryStores.ts"

ProjectionControlSuite.suite({ name: "memory", layer: MemoryStores.layer, hire: () => Effect.void })
