/** Builds and generations in memory keep their promises, so that the tests of a rebuild may lean on them. */
import { TestClock } from "effect/testing"
import * as SearchBuildsMemory from "../../layers/memory/SearchBuildsMemory.ts"
import * as SearchIndexMemory from "../../layers/memory/SearchIndexMemory.ts"
import * as GenerationsSuite from "../conformance/GenerationsSuite.ts"
import * as InFlightSuite from "../conformance/InFlightSuite.ts"
import * as SearchBuildsSuite from "../conformance/SearchBuildsSuite.ts"
import * as MemoryStores from "../support/MemoryStores.ts"

SearchBuildsSuite.suite({ name: "memory", layer: SearchBuildsMemory.layer })
GenerationsSuite.suite({ name: "memory", layer: SearchIndexMemory.layer })
InFlightSuite.suite(TestClock.adjust("100 millis"))({ name: "memory", layer: MemoryStores.layer })
