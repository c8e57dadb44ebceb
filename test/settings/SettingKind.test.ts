/** What each kind of setting makes of a text. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Redacted, Result } from "effect"
import * as Kind from "../../src/settings/SettingKind.ts"

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
      ["http://host:99999", undefined],
      ["http://u:100%@host", undefined],
      ["http://u:100%25@host", "http://u:100%25@host"]
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
      ["postgresql://u:100%@h/d", undefined],
      ["postgresql://u:p@h/100%", undefined],
      ["postgresql://h", undefined],
      ["postgresql:///d", undefined],
      ["h:5432/d", undefined],
      ["postgresql+://u:p@h/d", undefined]
    ], Redacted.value)
  })
})
