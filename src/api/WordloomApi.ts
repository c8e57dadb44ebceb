/** The HTTP contract: what decodes the requests also writes the OpenAPI document. */
import { HttpApi, OpenApi } from "effect/http-api"
import { BlocksApi, LibrariesApi, TagsApi } from "./EntityApi.ts"
import { ExplainApi } from "./ExplainApi.ts"
import { ChronicleApi, OutboxApi, SearchApi } from "./ReadApi.ts"
import { RequestSchema } from "./RequestSchema.ts"

export class WordloomApi extends HttpApi.make("wordloom")
  .add(TagsApi, LibrariesApi, BlocksApi, SearchApi, ChronicleApi, OutboxApi, ExplainApi)
  .middleware(RequestSchema)
  .annotate(HttpApi.PayloadParseOptions, { errors: "all", onExcessProperty: "error" })
  .annotateMerge(OpenApi.annotations({
    title: "Wordloom",
    version: "1",
    description: "Tags, libraries and blocks whose every change can be followed from the request to the search index."
  }))
{}
