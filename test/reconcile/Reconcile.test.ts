/** Reconciling search inside PostgreSQL. */
import { Layer } from "effect"
import * as SearchIndexPostgres from "../../layers/postgres/SearchIndexPostgres.ts"
import * as SearchDestination from "../../src/search/SearchDestination.ts"
import * as PostgresStores from "../support/PostgresStores.ts"
import { suite } from "./ReconcileSuite.ts"
import * as Vandals from "./Vandals.ts"

suite(
  "PostgreSQL",
  SearchDestination.layer.pipe(
    Layer.provideMerge(Layer.merge(SearchIndexPostgres.layer, Vandals.postgres)),
    Layer.provideMerge(PostgresStores.layer)
  )
)
