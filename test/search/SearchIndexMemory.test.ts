/** The memory index keeps the promises of the port, so that the other tests may lean on it. */
import { digestOf } from "../../layers/memory/IndexEntries.ts"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import { suite } from "../conformance/SearchIndexSuite.ts"

suite({ name: "memory", layer: SearchIndexMemory.layer, digestOf })
