/** What every span says of the service that it is of. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { resourceOf } from "../../layers/telemetry/Resource.ts"
import manifest from "../../package.json" with { type: "json" }
import { read } from "../../src/settings/Settings.ts"

const attributesWith = (env: Readonly<Record<string, string>>) =>
  resourceOf(Result.getOrThrow(read(env)), "wordloom-api").attributes

describe("a service's resource", () => {
  it("names the service, its version and its environment, this by its older name, too", () => {
    assert.deepStrictEqual(attributesWith({ WORDLOOM_ENV: "staging" }), {
      "service.name": "wordloom-api",
      "service.version": manifest.version,
      "deployment.environment.name": "staging",
      "deployment.environment": "staging"
    })
  })

  it("says what OTEL_RESOURCE_ATTRIBUTES says, except for the name", () => {
    const given = "team=a%20b,share=100%,service.version=7,service.name=other,deployment.environment.name=eu"
    assert.deepInclude(attributesWith({ OTEL_RESOURCE_ATTRIBUTES: given }), {
      "service.name": "wordloom-api",
      "service.version": "7",
      "deployment.environment.name": "eu",
      "deployment.environment": "eu",
      team: "a b",
      share: "100%"
    })
  })
})
