/** Planted in what is said to a search engine, and in what its answers are taken for. */
import type { Mutant } from "./Mutant.ts"

const errors = "layers/elasticsearch/ElasticsearchErrors.ts"
const request = {
  file: "test/elasticsearch/Requests.test.ts",
  test: "has a document and its version per write, and a document for a removal too"
}
const bulkFaults = { file: "test/elasticsearch/BulkFaults.test.ts", test: "gives each item its own result" }
const settlement = { file: "src/delivery/Settlement.ts", test: "test/delivery/Settlement.test.ts" }
const postgres = "test/postgres/SearchIndexPostgres.test.ts"

export const engine: ReadonlyArray<Mutant> = [
  {
    name: "no external version",
    places: [{
      bug: "Elasticsearch takes the last write, whatever its version",
      edits: [{
        file: "layers/elasticsearch/BulkRequest.ts",
        before: "{ _id: id, version: revision, version_type: \"external\" }",
        after: "{ _id: id }"
      }],
      caughtBy: [request]
    }, {
      bug: "PostgreSQL does so",
      edits: [{
        file: "layers/postgres/SearchIndexPostgres.ts",
        before: "where known.revision < excluded.revision\n",
        after: ""
      }],
      caughtBy: [{ file: postgres, test: "never lets an older version replace a newer one" }]
    }]
  },
  {
    name: "hard delete instead of a tombstone",
    places: [{
      bug: "a removal is a deletion, whose version Elasticsearch forgets after a minute",
      edits: [{
        file: "layers/elasticsearch/BulkRequest.ts",
        before: "const { body, library, library_id, tag_ids, tags, title } = document ?? removed",
        after: "if (document === null) return `${JSON.stringify({ delete: action.index })}\\n`\n" +
          "  const { body, library, library_id, tag_ids, tags, title } = document ?? removed"
      }],
      caughtBy: [request]
    }, {
      bug: "a removal leaves no row in PostgreSQL",
      edits: [{
        file: "layers/postgres/SearchIndexPostgres.ts",
        before: "where known.revision < excluded.revision\n      returning id`)",
        after: "where known.revision < excluded.revision\n      returning id`).pipe(" +
          "Effect.tap(() => sql`delete from search_documents where deleted`))"
      }],
      caughtBy: [{
        file: postgres,
        test: "hides what was removed, and keeps it so when an older write comes late"
      }]
    }]
  },
  {
    name: "bulk 200 is success",
    places: [{
      bug: "the status of the request is taken for that of its items",
      edits: [{
        file: errors,
        before: "items.map((item) => resultOfItem(item, alias))",
        after: "items.map((): WriteResult => ({ _tag: \"Written\" }))"
      }],
      caughtBy: [bulkFaults]
    }]
  },
  {
    name: "429 is permanent",
    places: [{
      bug: "a document is buried because Elasticsearch had too much to do",
      edits: [{ file: errors, before: "return [\"throttled\", \"es_429\"]", after: "return [\"poison\", \"es_429\"]" }],
      caughtBy: [bulkFaults]
    }, {
      bug: "whatever is throttled is buried at once",
      edits: [{
        file: settlement.file,
        before: "if (failureClass === \"poison\" || ",
        after: "if (failureClass === \"poison\" || failureClass === \"throttled\" || "
      }],
      caughtBy: [{ file: settlement.test, test: "is a burial for what may pass only once its attempts are spent" }]
    }]
  },
  {
    name: "400 is tried again for ever",
    places: [{
      bug: "a document that will never be accepted counts no attempt, and so never ends",
      edits: [{
        file: errors,
        before: "return [\"poison\", misfit.has(type)",
        after: "return [\"configuration\", misfit.has(type)"
      }],
      caughtBy: [bulkFaults]
    }, {
      bug: "poison is given back, and takes no attempt",
      edits: [
        { file: settlement.file, before: "if (failureClass === \"poison\" || ", after: "if (" },
        {
          file: settlement.file,
          before: "const own = counts && failureClass !== \"configuration\"",
          after: "const own = counts && failureClass !== \"configuration\" && failureClass !== \"poison\""
        }
      ],
      caughtBy: [{
        file: settlement.test,
        test: "is a burial for poison at once, and never for what is only configured wrongly"
      }]
    }]
  }
]
