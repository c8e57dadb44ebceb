/** Facts from PostgreSQL keep their promises. */
import { Layer } from "effect"
import * as ExplainPostgres from "../../layers/postgres/ExplainPostgres.ts"
import * as ExplainSuite from "../conformance/ExplainSuite.ts"
import * as PostgresStores from "../support/PostgresStores.ts"

ExplainSuite.suite({
  name: "PostgreSQL",
  layer: ExplainPostgres.layer.pipe(Layer.provideMerge(PostgresStores.layer)),
  excludeTestServices: true
})
