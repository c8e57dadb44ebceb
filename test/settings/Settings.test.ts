/** Settings: what is wrong all at once, and what follows from what is set. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Result } from "effect"
import * as Settings from "../../src/settings/Settings.ts"
import { type Setting, table } from "../../src/settings/SettingTable.ts"

const values = (env: Settings.Environment) => Result.getOrThrow(Settings.read(env))

const mistakes = (env: Settings.Environment) => {
  const result = Settings.read(env)
  assert.isTrue(Result.isFailure(result), "it should be wrong")
  return Result.isFailure(result) ? result.failure : undefined!
}

describe("settings", () => {
  it("have defaults for everything, and those are the contract's", () => {
    const all = values({})
    assert.deepInclude(all, {
      environment: "development",
      home: ".wordloom",
      databaseUrl: undefined,
      search: "postgres",
      elasticIndex: "wordloom-search-index",
      httpHost: "127.0.0.1",
      httpPort: 8_000,
      tracing: "off",
      otlpTracesEndpoint: "http://localhost:4318/v1/traces",
      sampler: "parentbased_always_on",
      samplerRatio: 1,
      projections: ["search", "chronicle"],
      workerMetricsPort: 9_109,
      workerHttpPort: 9_111,
      batchSize: 500,
      concurrency: 2,
      attemptsMax: 10,
      metricsEnabled: true,
      metricsPrefix: "wordloom"
    })
    const durations = {
      pollInterval: 1,
      lease: 30,
      backoffBase: 0.5,
      backoffCap: 60,
      retention: 86_400,
      shutdownGrace: 25,
      healthTimeout: 5
    }
    for (const [key, seconds] of Object.entries(durations)) {
      assert.strictEqual(Duration.toSeconds(all[key as keyof typeof durations]), seconds, key)
    }
  })

  it("take what is empty or blank for not set", () => {
    const blank = Object.fromEntries(
      Object.values<Setting<unknown>>(table).filter(({ kind }) => kind.takesNothing !== true)
        .flatMap(({ names }) => names).map((name, at) => [name, " ".repeat(at % 3)])
    )
    assert.deepStrictEqual(values(blank), values({}))
    assert.deepStrictEqual(Settings.notices(blank, values(blank)), [])
  })

  it("do not mind spaces around a value", () => {
    assert.strictEqual(values({ WORDLOOM_HTTP_PORT: " 81 " }).httpPort, 81)
    assert.strictEqual(values({ WORDLOOM_TRACING_ENABLED: "1\n" }).tracing, "export")
  })

  it("prefer the first of several names", () => {
    assert.strictEqual(values({ PORT: "81" }).httpPort, 81)
    assert.strictEqual(values({ PORT: "81", WORDLOOM_HTTP_PORT: "82" }).httpPort, 82)
    assert.strictEqual(values({ PORT: "81", WORDLOOM_HTTP_PORT: "" }).httpPort, 81)
    assert.strictEqual(values({ OTEL_ENABLED: "1" }).tracing, "export")
    assert.strictEqual(values({ OTEL_ENABLED: "1", OTEL_EXPORT_ENABLED: "0" }).tracing, "off")
    assert.strictEqual(values({ OTEL_EXPORT_ENABLED: "0", WORDLOOM_TRACING_ENABLED: "1" }).tracing, "export")
  })

  it("derive what tracing does", () => {
    const tracing = (env: Settings.Environment) => values(env).tracing
    assert.strictEqual(tracing({ WORDLOOM_TRACING_ENABLED: "0" }), "off")
    assert.strictEqual(tracing({ WORDLOOM_TRACING: "local" }), "local")
    assert.strictEqual(tracing({ WORDLOOM_TRACING: "local", WORDLOOM_TRACING_ENABLED: "1" }), "local")
    // S2-45: what is only logged is followed by the ids in the lines.
    assert.strictEqual(tracing({ DYN_LOGGING_JSONL: "1" }), "local")
    assert.strictEqual(tracing({ DYN_LOGGING_JSONL: "1", OTEL_EXPORT_ENABLED: "0" }), "local")
    assert.strictEqual(tracing({ DYN_LOGGING_JSONL: "1", OTEL_EXPORT_ENABLED: "1" }), "export")
    assert.strictEqual(tracing({ DYN_LOGGING_JSONL: "0", OTEL_EXPORT_ENABLED: "0" }), "off")
    assert.strictEqual(tracing({ WORDLOOM_LOG_FORMAT: "json" }), "off")
    for (const no of ["WORDLOOM_TRACING_ENABLED=0", "OTEL_ENABLED=0", "WORDLOOM_TRACING=off", "OTEL_SDK_DISABLED=1"]) {
      const [name = "", value = ""] = no.split("=")
      assert.strictEqual(tracing({ DYN_LOGGING_JSONL: "1", [name]: value }), "off", no)
    }
    assert.strictEqual(tracing({ WORDLOOM_TRACING: "off", WORDLOOM_TRACING_ENABLED: "1" }), "off")
    assert.strictEqual(tracing({ WORDLOOM_TRACING: "export", OTEL_SDK_DISABLED: "true" }), "off")
    assert.strictEqual(tracing({ WORDLOOM_TRACING: "export", OTEL_SDK_DISABLED: "false" }), "export")
  })

  it("derive where traces go, without a slash too many", () => {
    const tracesUrl = (base: string) => values({ OTEL_EXPORTER_OTLP_ENDPOINT: base }).otlpTracesEndpoint
    assert.strictEqual(tracesUrl("http://c:4318"), "http://c:4318/v1/traces")
    assert.strictEqual(tracesUrl("http://c:4318/"), "http://c:4318/v1/traces")
    assert.strictEqual(tracesUrl("http://c:4318//"), "http://c:4318/v1/traces")
    assert.strictEqual(tracesUrl("http://c/otlp/"), "http://c/otlp/v1/traces")
    const asItIs = (url: string) =>
      values({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url }).otlpTracesEndpoint
    assert.strictEqual(asItIs("http://d/custom"), "http://d/custom")
    assert.strictEqual(asItIs("http://d:4318/v1/traces"), "http://d:4318/v1/traces")
  })

  it("derive the search engine", () => {
    assert.strictEqual(values({ ELASTIC_URL: "http://e:9200" }).search, "elasticsearch")
    assert.strictEqual(values({ ELASTIC_URL: "http://e:9200", WORDLOOM_SEARCH: "postgres" }).search, "postgres")
    assert.deepStrictEqual(mistakes({ WORDLOOM_SEARCH: "elasticsearch" }).mistakes.map(({ name }) => name), [
      "ELASTIC_URL"
    ])
  })

  it("treat a ratio sampler as its parent-based form", () => {
    assert.strictEqual(values({ OTEL_TRACES_SAMPLER: "traceidratio" }).sampler, "parentbased_traceidratio")
    for (const sampler of ["always_on", "always_off", "parentbased_always_off", "parentbased_traceidratio"]) {
      assert.strictEqual(values({ OTEL_TRACES_SAMPLER: sampler }).sampler, sampler)
    }
  })

  it("tell every mistake at once, in a line each, and no secret", () => {
    const wrong = mistakes({
      DATABASE_URL: "mysql://u:hunter2@h/d",
      PORT: "http",
      OUTBOX_LEASE: "1ms",
      WORDLOOM_ENV: "a\nb: forged line",
      ELASTIC_URL: "elastic://user:hunter2@host",
      OTEL_RESOURCE_ATTRIBUTES: "x".repeat(500)
    })
    assert.sameMembers(wrong.mistakes.map(({ name }) => name), [
      "DATABASE_URL",
      "PORT",
      "OUTBOX_LEASE",
      "WORDLOOM_ENV",
      "ELASTIC_URL",
      "OTEL_RESOURCE_ATTRIBUTES"
    ])
    assert.strictEqual(wrong.message.split("\n").length, 6)
    assert.notInclude(wrong.message, "hunter2")
    for (const line of wrong.message.split("\n")) {
      assert.match(line, /^[A-Z_]+=.* is not allowed: .+$/)
      assert.isBelow(line.length, 300)
    }
  })

  it("tell what is wrong together beside what is wrong alone, and a setting once", () => {
    const names = (env: Settings.Environment) => mistakes(env).mistakes.map(({ name }) => name)
    const engine = { WORDLOOM_SEARCH: "elasticsearch", OUTBOX_LEASE: "soon" }
    assert.deepStrictEqual(names({ ...engine, REALTIME_RETENTION: "1h" }), [
      "OUTBOX_LEASE",
      "ELASTIC_URL",
      "REALTIME_RETENTION"
    ])
    assert.deepStrictEqual(names({ ...engine, ELASTIC_URL: "nowhere" }), ["ELASTIC_URL", "OUTBOX_LEASE"])
  })

  it("take a service's name from the resource attributes, unless it is set by itself", () => {
    const attributes = { OTEL_RESOURCE_ATTRIBUTES: "team=words, service.name = my%20api" }
    assert.strictEqual(values(attributes).serviceName, "my api")
    assert.strictEqual(values({ ...attributes, OTEL_SERVICE_NAME: "own" }).serviceName, "own")
    assert.isUndefined(values({ OTEL_RESOURCE_ATTRIBUTES: "team=words" }).serviceName)
  })

  it("notice what is allowed but hardly meant", () => {
    const notices = (env: Settings.Environment) => Settings.notices(env, values(env))
    assert.deepStrictEqual(notices({}), [])
    assert.deepStrictEqual(notices({ WORDLOOM_TRACING_ENABLED: "1", OTEL_ENABLED: "true" }), [])
    assert.deepStrictEqual(notices({ WORDLOOM_TRACING_ENABLED: "1 ", OTEL_ENABLED: " yes" }), [])
    assert.match(notices({ WORDLOOM_TRACING_ENABLED: "0", OTEL_ENABLED: "1" }).join(), /contradict each other/)
    const grpc = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4317" }
    assert.deepStrictEqual(notices(grpc), [])
    assert.match(notices({ ...grpc, WORDLOOM_TRACING_ENABLED: "1" }).join(), /4317 usually speaks gRPC/)
    for (const sampler of ["traceidratio", " TraceIdRatio "]) {
      assert.match(notices({ OTEL_TRACES_SAMPLER: sampler }).join(), /treated as parentbased_traceidratio/)
    }
  })

  it("describe every setting: its value, where it came from, what it means; and no secret", () => {
    const shown = Settings.describe({
      DATABASE_URL: "postgresql://u:hunter2@h/d",
      ELASTIC_API_KEY: "hunter2",
      ELASTIC_URL: "http://user:hunter2@e:9200",
      PORT: "81",
      OUTBOX_LEASE: "1m",
      OUTBOX_PROJECTIONS: "search"
    })
    assert.strictEqual(shown.length, Object.keys(table).length)
    const byName = new Map(shown.map((one) => [one.name, one]))
    assert.notInclude(JSON.stringify(shown), "hunter2")
    assert.deepInclude(byName.get("DATABASE_URL"), { value: "<redacted>", source: "DATABASE_URL" })
    assert.deepInclude(byName.get("ELASTIC_API_KEY"), { value: "<redacted>", source: "ELASTIC_API_KEY" })
    assert.include(byName.get("ELASTIC_URL")!.value, "e:9200")
    assert.deepInclude(byName.get("WORDLOOM_HTTP_PORT"), { value: "81", source: "PORT" })
    assert.deepInclude(byName.get("OUTBOX_LEASE"), { value: "1m", source: "OUTBOX_LEASE" })
    assert.deepInclude(byName.get("OUTBOX_POLL_INTERVAL"), { value: "1s", source: "default" })
    assert.deepInclude(byName.get("OUTBOX_PROJECTIONS"), { value: "search", source: "OUTBOX_PROJECTIONS" })
    for (const { meaning } of shown) assert.isNotEmpty(meaning)
  })

  it("show no secret where none is set", () => {
    for (const { name, source, value } of Settings.describe({})) {
      assert.notInclude(value, "redacted", name)
      if (/DATABASE_URL|KEY|SECRET/.test(name)) assert.deepStrictEqual([value, source], ["", "default"], name)
    }
  })

  it("describe what a setting comes to when others decide", () => {
    const shown = Settings.describe({
      DYN_LOGGING_JSONL: "1",
      PORT: "81",
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/",
      OTEL_RESOURCE_ATTRIBUTES: "service.name=mine"
    })
    const decided = shown.filter(({ source }) => source === "other settings").map(({ name, value }) => [name, value])
    assert.includeDeepMembers(decided, [
      ["WORDLOOM_LOG_FORMAT", "json"],
      ["WORDLOOM_METRICS_PORT", "81"],
      ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318/v1/traces"],
      ["OTEL_SERVICE_NAME", "mine"]
    ])
  })

  it.each(
    [
      [{}, "off", "default"],
      [{ WORDLOOM_TRACING_ENABLED: "1" }, "export", "WORDLOOM_TRACING_ENABLED"],
      [{ OTEL_ENABLED: "1", OTEL_EXPORT_ENABLED: "0" }, "off", "OTEL_EXPORT_ENABLED"],
      [{ WORDLOOM_TRACING: "local", OTEL_ENABLED: "1" }, "local", "WORDLOOM_TRACING"],
      [{ DYN_LOGGING_JSONL: "1", OTEL_EXPORT_ENABLED: "0" }, "local", "DYN_LOGGING_JSONL"],
      [{ OTEL_SDK_DISABLED: "true", WORDLOOM_TRACING: "export" }, "off", "OTEL_SDK_DISABLED"],
      [{ OTEL_SDK_DISABLED: "true", WORDLOOM_TRACING_ENABLED: "1" }, "off", "OTEL_SDK_DISABLED"],
      [{ OTEL_SDK_DISABLED: "false", WORDLOOM_TRACING: "export" }, "export", "WORDLOOM_TRACING"]
    ] as const
  )("name what decides of tracing: %j is %s by %s", (env, value, source) => {
    assert.deepInclude(Settings.describe(env).find(({ name }) => name === "WORDLOOM_TRACING"), { value, source })
  })

  it("describe what is wrong too, so that it can be seen", () => {
    const shown = Settings.describe({ OUTBOX_LEASE: "soon", DATABASE_URL: "mysql://u:hunter2@h/d" })
    assert.strictEqual(shown.find(({ name }) => name === "OUTBOX_LEASE")?.value, "soon")
    assert.notInclude(JSON.stringify(shown), "hunter2")
  })

  it("have each name once", () => {
    const names = Object.values(table).flatMap((setting) => [...setting.names])
    assert.strictEqual(new Set(names).size, names.length)
  })
})
