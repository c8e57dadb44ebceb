/** Facts from memory keep their promises, so that the judgement may be tested over them. */
import { Layer } from "effect"
import * as ExplainFactsMemory from "../../layers/memory/ExplainFactsMemory.ts"
import * as ExplainSuite from "../conformance/ExplainSuite.ts"
import * as MemoryStores from "../support/MemoryStores.ts"

ExplainSuite.suite({
  name: "memory",
  layer: ExplainFactsMemory.layer().pipe(Layer.provideMerge(MemoryStores.layer))
})
