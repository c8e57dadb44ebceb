/** Search inside PostgreSQL keeps what the port promises. */
import { Layer } from "effect"
import * as SearchIndexPostgres from "../../layers/postgres/SearchIndexPostgres.ts"
import { suite } from "../conformance/SearchIndexSuite.ts"
import * as PostgresForTests from "../support/PostgresForTests.ts"

suite({ name: "PostgreSQL", layer: SearchIndexPostgres.layer.pipe(Layer.provide(PostgresForTests.layer)) })
