/** Which of the two formats a scraper gets. */
import { assert, describe, it } from "@effect/vitest"
import { formatFor } from "../../layers/http/MetricsRoute.ts"

describe("the format of /metrics", () => {
  it.for(
    [
      [undefined, "text"],
      ["*/*", "text"],
      ["text/html", "text"],
      ["text/plain", "text"],
      ["application/openmetrics-text", "openmetrics"],
      ["application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"],
      ["Application/OpenMetrics-Text;Version=\"1.0.0\"", "openmetrics"],
      ["application/openmetrics-text;version=2.0.0", "text"],
      ["application/openmetrics-text;q=0", "text"],
      ["application/openmetrics-text;q=0.3,text/plain;q=0.5", "text"],
      ["application/openmetrics-text;q=nonsense", "text"],
      // What Prometheus sends, before and since version 3.
      [
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75," +
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "openmetrics"
      ],
      [
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5",
        "openmetrics"
      ]
    ] as const
  )("for %s is %s", ([accept, format]) => {
    assert.strictEqual(formatFor(accept), format)
  })
})
