/** Settings: what each kind of text means, what is wrong all at once, and what follows from what is set. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Redacted, Result } from "effect"
import * as Kind from "../../src/settings/SettingKind.ts"
import * as Settings from "../../src/settings/Settings.ts"
import { table } from "../../src/settings/SettingTable.ts"

const values = (env: Settings.Environment) => Result.getOrThrow(Settings.read(env))

const mistakes = (env: Settings.Environment) => {
  const result = Settings.read(env)
  assert.isTrue(Result.isFailure(result), "it should be wrong")
  return Result.isFailure(result) ? result.failure : undefined!
}

type Case = readonly [text: string, value: unknown]

const reads = <A>(
  kind: Kind.SettingKind<A>,
  cases: ReadonlyArray<Case>,
  shown: (value: A) => unknown = (value) => value
) => {
  for (const [text, value] of cases) {
    const result = kind.parse(text)
    assert.deepStrictEqual(Result.isSuccess(result) ? shown(result.success) : undefined, value, JSON.stringify(text))
  }
}

describe("kinds", () => {
  it("read durations with a unit, and a bare number as seconds", () =>
    reads(Kind.duration(0, 3_600_000), [
      ["250ms", 250],
      ["5s", 5_000],
      ["30m", 1_800_000],
      ["1h", 3_600_000],
      ["2", 2_000],
      ["0", 0],
      ["1.5s", 1_500],
      ["0.25", 250],
      ["", undefined],
      ["s", undefined],
      ["-1s", undefined],
      ["+1s", undefined],
      ["1 s", undefined],
      ["5S", undefined],
      ["1d", undefined],
      ["1e3", undefined],
      ["1,5s", undefined],
      ["1s2", undefined],
      ["Infinity", undefined],
      ["2h", undefined]
    ], Duration.toMillis))

  it("keep durations within their bounds", () => {
    const kind = Kind.duration(10, 1_000)
    reads(kind, [["9ms", undefined], ["10ms", 10], ["1s", 1_000], ["1001ms", undefined]], Duration.toMillis)
    const refused = kind.parse("1h")
    assert.match(Result.isFailure(refused) ? refused.failure : "", /from 10ms to 1000ms/)
  })

  it("print durations as they read them", () => {
    for (const text of ["250ms", "5s", "90s", "30m", "1h", "0ms", "1500ms"]) {
      const read = Result.getOrThrow(Kind.duration(0, 3_600_000).parse(text))
      const printed = Kind.formatDuration(read)
      reads(Kind.duration(0, 3_600_000), [[printed, Duration.toMillis(read)]], Duration.toMillis)
    }
    assert.strictEqual(Kind.formatDuration(Duration.minutes(90)), "90m")
  })

  it("read flags in many spellings", () =>
    reads(Kind.flag, [
      ...["1", "true", "yes", "on", "TRUE", "On"].map((text): Case => [text, true]),
      ...["0", "false", "no", "off", "False", "NO"].map((text): Case => [text, false]),
      ...["2", "t", "y", "enabled", "truee", "-1"].map((text): Case => [text, undefined])
    ]))

  it("read whole numbers within bounds", () =>
    reads(Kind.integer(1, 65_535), [
      ["1", 1],
      ["65535", 65_535],
      ["007", 7],
      ["0", undefined],
      ["65536", undefined],
      ["-1", undefined],
      ["1.0", undefined],
      ["1e3", undefined],
      ["0x10", undefined],
      ["９", undefined],
      ["9".repeat(400), undefined]
    ]))

  it("read ratios from nothing to all", () =>
    reads(Kind.ratio, [
      ["0", 0],
      ["1", 1],
      ["0.1", 0.1],
      [".5", 0.5],
      ["1.0", 1],
      ["0.0", 0],
      ["1.1", undefined],
      ["-0.1", undefined],
      ["10%", undefined],
      ["1e-1", undefined],
      ["2", undefined],
      ["NaN", undefined]
    ]))

  it("read one of a list in any case, and some of a list once each", () => {
    reads(Kind.oneOf("off", "local"), [["off", "off"], ["LOCAL", "local"], ["export", undefined], ["", undefined]])
    reads(Kind.someOf("search", "chronicle"), [
      ["search", ["search"]],
      ["chronicle, search", ["chronicle", "search"]],
      ["search,search", ["search"]],
      [",search,", ["search"]],
      ["search,realtime", undefined],
      [",", undefined]
    ])
  })

  it("read http addresses without a slash at the end", () =>
    reads(Kind.url, [
      ["http://localhost:4318", "http://localhost:4318"],
      ["http://localhost:4318/", "http://localhost:4318"],
      ["https://HOST/base/", "https://host/base"],
      ["http://[::1]:9200", "http://[::1]:9200"],
      ["localhost:4318", undefined],
      ["ftp://host", undefined],
      ["http://", undefined],
      ["//host", undefined],
      ["http://host:99999", undefined]
    ]))

  it("read every spelling of PostgreSQL's address", () => {
    const plain = "postgresql://u:p@h:5432/d"
    reads(Kind.postgresUrl, [
      [plain, plain],
      ["postgres://u:p@h:5432/d", plain],
      ["postgresql+psycopg://u:p@h:5432/d", plain],
      ["postgresql+psycopg2://u:p@h:5432/d", plain],
      ["postgresql+asyncpg://u:p@h:5432/d", plain],
      ["POSTGRES://u:p@h:5432/d", plain],
      ["postgresql://u:p%40ss@h/d?sslmode=require", "postgresql://u:p%40ss@h/d?sslmode=require"],
      ["mysql://u:p@h/d", undefined],
      ["postgresql://h", undefined],
      ["postgresql:///d", undefined],
      ["h:5432/d", undefined],
      ["postgresql+://u:p@h/d", undefined]
    ], Redacted.value)
  })
})

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
      tracesUrl: "http://localhost:4318/v1/traces",
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
      Object.values(table).flatMap(({ names }) => names).map((name, at) => [name, " ".repeat(at % 3)])
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
    assert.strictEqual(tracing({ WORDLOOM_TRACING: "off", WORDLOOM_TRACING_ENABLED: "1" }), "off")
    assert.strictEqual(tracing({ WORDLOOM_TRACING: "export", OTEL_SDK_DISABLED: "true" }), "off")
    assert.strictEqual(tracing({ WORDLOOM_TRACING: "export", OTEL_SDK_DISABLED: "false" }), "export")
  })

  it("derive where traces go, without a slash too many", () => {
    const tracesUrl = (base: string) => values({ OTEL_EXPORTER_OTLP_ENDPOINT: base }).tracesUrl
    assert.strictEqual(tracesUrl("http://c:4318"), "http://c:4318/v1/traces")
    assert.strictEqual(tracesUrl("http://c:4318/"), "http://c:4318/v1/traces")
    assert.strictEqual(tracesUrl("http://c:4318//"), "http://c:4318/v1/traces")
    assert.strictEqual(tracesUrl("http://c/otlp/"), "http://c/otlp/v1/traces")
    const asItIs = (url: string) =>
      values({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url }).tracesUrl
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
