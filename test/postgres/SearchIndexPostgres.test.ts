/** Search inside PostgreSQL keeps what the port promises. */
import { Layer } from "effect"
import { digestOf } from "../../layers/elasticsearch/DocumentDigest.ts"
import * as SearchIndexPostgres from "../../layers/postgres/SearchIndexPostgres.ts"
import { suite } from "../conformance/SearchIndexSuite.ts"
import * as PostgresForTests from "../support/PostgresForTests.ts"

// Letter for letter the digest of Elasticsearch's documents: what one engine calls the same, the other does.
suite({ name: "PostgreSQL", layer: SearchIndexPostgres.layer.pipe(Layer.provide(PostgresForTests.layer)), digestOf })
