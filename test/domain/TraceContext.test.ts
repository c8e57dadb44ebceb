/** What others send as trace context is taken by the specification's rules, and nothing invalid is ever passed on. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import {
  formatTraceparent,
  memberOf,
  parseTraceparent,
  parseTracestate,
  type SpanIds,
  withMember,
  withoutMembers
} from "../../src/domain/TraceContext.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const id = (length: number) =>
  Arbitrary.filter(
    Arbitrary.map(
      Arbitrary.array(Arbitrary.schema(between(0, 15)), { minLength: length, maxLength: length }),
      (digits) => digits.map((digit) => digit.toString(16)).join("")
    ),
    (hex) => /[^0]/.test(hex)
  )
const ids = Arbitrary.all({ traceId: id(32), spanId: id(16), flags: Arbitrary.schema(between(0, 3)) })

/** A header one slip away from a good one: a character exchanged, left out or put in. */
const slip = Arbitrary.map(
  Arbitrary.all({
    ids,
    at: Arbitrary.schema(between(0, 55)),
    cut: Arbitrary.schema(between(0, 2)),
    put: Arbitrary.schema(Schema.Literals(["", "0", "f", "F", "g", "-", "--", " ", "\n", "\0", "é", "00"]))
  }),
  ({ at, cut, ids, put }) => {
    const good = formatTraceparent(ids)!
    return good.slice(0, at) + put + good.slice(at + cut)
  }
)
const valid = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/
const check = { arbitrary: { runs: 500 } }

const [trace, span] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"]

describe("traceparent", () => {
  it.prop("comes back from text as it went", { ids }, ({ ids }) => {
    const text = formatTraceparent(ids)
    assert.match(text ?? "", valid)
    assert.deepStrictEqual(parseTraceparent(text), ids)
  }, check)

  it.prop("is never passed on but in a valid form, whatever came in", { any: Schema.String, slip }, ({ any, slip }) => {
    for (const text of [any, slip, `00-${any}-01`]) {
      const read = parseTraceparent(text)
      if (read === undefined) continue
      const written = formatTraceparent(read)
      assert.match(written ?? "", valid)
      assert.deepStrictEqual(parseTraceparent(written), read)
    }
  }, check)

  it.prop(
    "is not made of ids that no span has",
    { any: Schema.String, flags: Schema.Int, ids },
    ({ any, flags, ids }) => {
      const odd: ReadonlyArray<SpanIds> = [
        { ...ids, traceId: any },
        { ...ids, spanId: any },
        { ...ids, traceId: "noop", spanId: "noop" },
        { ...ids, traceId: "0".repeat(32) },
        { ...ids, spanId: "0".repeat(16) },
        { ...ids, traceId: ids.traceId.replace(/[0-9a-f]$/, "F") }
      ]
      for (const each of odd) assert.isUndefined(formatTraceparent(each))
      assert.match(formatTraceparent({ ...ids, flags }) ?? "", valid)
    },
    check
  )

  const examples: ReadonlyArray<readonly [what: string, text: string | null | undefined, flags: number | undefined]> = [
    ["nothing", undefined, undefined],
    ["NULL", null, undefined],
    ["an empty header", "", undefined],
    ["a sampled span", `00-${trace}-${span}-01`, 1],
    ["an unsampled span", `00-${trace}-${span}-00`, 0],
    ["a random trace id", `00-${trace}-${span}-03`, 3],
    ["flags that are not known yet", `00-${trace}-${span}-fd`, 1],
    ["blanks around it", ` 00-${trace}-${span}-01\t`, 1],
    ["a blank of another kind around it", `\u00a000-${trace}-${span}-01`, undefined],
    ["a line end behind it", `00-${trace}-${span}-01\n`, undefined],
    ["a later version", `cc-${trace}-${span}-01`, 1],
    ["a later version that says more", `cc-${trace}-${span}-01-what-else`, 1],
    ["a later version that goes on wrongly", `cc-${trace}-${span}-01.what-else`, undefined],
    ["version 00 that says more", `00-${trace}-${span}-01-`, undefined],
    ["version ff", `ff-${trace}-${span}-01`, undefined],
    ["a version of one digit", `0-${trace}-${span}-01`, undefined],
    ["a version in upper case", `CC-${trace}-${span}-01`, undefined],
    ["a trace id of zeros", `00-${"0".repeat(32)}-${span}-01`, undefined],
    ["a span id of zeros", `00-${trace}-${"0".repeat(16)}-01`, undefined],
    ["upper case", `00-${trace.toUpperCase()}-${span}-01`, undefined],
    ["a trace id that is too long", `00-${trace}0-${span}-01`, undefined],
    ["a trace id that is too short", `00-${trace.slice(1)}-${span}-01`, undefined],
    ["no flags", `00-${trace}-${span}`, undefined],
    ["flags that are no hex", `00-${trace}-${span}-0g`, undefined],
    ["two headers joined", `00-${trace}-${span}-01,00-${trace}-${span}-01`, undefined],
    ["a disabled tracer's placeholder", "00-noop-noop-00", undefined],
    ["sixteen kilobytes", `00-${"a".repeat(16_384)}-${span}-01`, undefined]
  ]
  for (const [what, text, flags] of examples) {
    it(`${flags === undefined ? "refuses" : "takes"} ${what}`, () => {
      const read = parseTraceparent(text)
      assert.deepStrictEqual(read, flags === undefined ? undefined : { traceId: trace, spanId: span, flags })
    })
  }
})

/** Lists of what means something in a tracestate, which chance would seldom put together. */
const lists = Arbitrary.map(
  Arbitrary.array(
    Arbitrary.schema(
      Schema.Literals(["a", "b2", "@", "key", "=", "=", ",", ",", " ", "\t", "1", "x".repeat(130), "é", "A", "\0"])
    ),
    { maxLength: 60 }
  ),
  (parts) => parts.join("")
)
const longLists = Arbitrary.map(
  Arbitrary.array(Arbitrary.schema(between(1, 250)), { maxLength: 40 }),
  (lengths) => lengths.map((length, at) => `k${at}=${"v".repeat(length)}`).join(" , ")
)
const member = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

describe("tracestate", () => {
  it.prop("is passed on only within its bounds, in its order, and the same when read again", {
    any: Schema.String,
    lists,
    longLists
  }, ({ any, lists, longLists }) => {
    for (const text of [any, lists, longLists]) {
      const read = parseTracestate(text)
      if (read === null) continue
      const members = read.split(",")
      assert.isAtMost(read.length, 512)
      assert.isAtMost(members.length, 32)
      for (const each of members) assert.match(each, member)
      assert.strictEqual(new Set(members.map((each) => each.split("=")[0])).size, members.length)
      const given = text.split(",").map((each) => each.trim())
      assert.deepStrictEqual(given.filter((each) => members.includes(each)), members)
      assert.strictEqual(parseTracestate(read), read)
    }
  }, check)

  const many = (count: number) => Array.from({ length: count }, (_, at) => `k${at}=v`).join(",")
  const examples: ReadonlyArray<readonly [what: string, text: string | null | undefined, read: string | null]> = [
    ["nothing", undefined, null],
    ["NULL", null, null],
    ["an empty list", " , ,, ", null],
    ["one member", "vendor=abc", "vendor=abc"],
    ["blanks and gaps between members", " a=1 ,, \tb=2\t", "a=1,b=2"],
    [
      "every character that is allowed",
      "a0_-*/@b=!\"#$%&'()*+-./:;<>?@[]^_`{|}~ z",
      "a0_-*/@b=!\"#$%&'()*+-./:;<>?@[]^_`{|}~ z"
    ],
    ["thirty-two members", many(32), many(32)],
    ["thirty-three members", many(33), null],
    ["a key twice, of which the first is the newest", "a=1,b=2,a=3", "a=1,b=2"],
    ["at signs anywhere but first", "a@=1,b@@c=2,d@e@f=3", "a@=1,b@@c=2,d@e@f=3"],
    ["blanks within a value", "a= 1 2\t,b=1", "a= 1 2,b=1"],
    ["a blank of another kind around it", "\u00a0a=1", null],
    ["a blank before the equals sign", "a =1", null],
    ["a key in upper case", "A=1", null],
    ["a key that begins wrongly", "@a=1", null],
    ["a key that is too long", `${"k".repeat(257)}=1`, null],
    ["the longest key", `${"k".repeat(256)}=1`, `${"k".repeat(256)}=1`],
    ["no key", "=1", null],
    ["no value", "a=", null],
    ["no equals sign", "a", null],
    ["two equals signs", "a=1=2", null],
    ["a value that is too long", `a=${"v".repeat(257)}`, null],
    ["letters that are not ASCII", "a=é", null],
    ["a NUL", "a=1\0", null],
    ["one bad member among good ones", "a=1,B=2", null]
  ]
  for (const [what, text, read] of examples) {
    it(`${read === null ? "refuses" : "takes"} ${what}`, () => assert.strictEqual(parseTracestate(text), read))
  }

  it("may be 512 characters long and no longer", () => {
    const most = [0, 1, 2].map((at) => `k${at}=${"v".repeat(124)}`).join(",")
    const ofLength = (length: number) => `${most},q=`.padEnd(length, "v")
    assert.strictEqual(parseTracestate(ofLength(512)), ofLength(512))
    assert.strictEqual(parseTracestate(ofLength(513)), most)
  })

  it("drops long members first when there is too much of it, then the last ones", () => {
    const [long, short] = [`long=${"v".repeat(200)}`, (at: number) => `k${at}=${"v".repeat(40)}`]
    const shorts = Array.from({ length: 10 }, (_, at) => short(at))
    assert.strictEqual(parseTracestate([long, ...shorts].join(",")), shorts.join(","))
    const more = Array.from({ length: 20 }, (_, at) => short(at))
    const kept = parseTracestate([...more, long].join(","))!
    assert.strictEqual(kept, more.slice(0, kept.split(",").length).join(","))
    assert.isAbove(kept.length, 512 - 45)
  })

  it("drops no more long members than it must, the last one first", () => {
    const [a, b, c] = ["a", "b", "c"].map((key) => `${key}=${"v".repeat(180)}`)
    assert.strictEqual(parseTracestate(`${a},x=1,${b},${c},y=2`), `${a},x=1,${b},y=2`)
  })

  it("is read in a time that grows with its length, whatever it consists of", () => {
    const gap = " \t".repeat(500_000)
    for (const text of [gap, `a=1${gap},${gap}b=2`, `a=1${gap}b`, `${",".repeat(500_000)}a=1`]) parseTracestate(text)
    assert.strictEqual(parseTracestate(`a=1${gap},${gap}b=2`), "a=1,b=2")
  })

  it.prop("gets a member in front, once, within its bounds", { lists, longLists }, ({ lists, longLists }) => {
    for (const list of [parseTracestate(lists), parseTracestate(longLists), null]) {
      const changed = withMember(list, "key", "d:1")!
      assert.strictEqual(changed.split(",")[0], "key=d:1")
      assert.strictEqual(parseTracestate(changed), changed)
      assert.strictEqual(memberOf(changed, "key"), "d:1")
      const others = withoutMembers(changed, "key")
      assert.isTrue((withoutMembers(list, "key") ?? "").includes((others ?? "").split(",")[0]!))
      assert.isUndefined(memberOf(others, "key"))
    }
  }, check)

  it("loses its last member to a new one when it has thirty-two", () => {
    assert.strictEqual(withMember(many(32), "new", "1"), `new=1,${many(31)}`)
    assert.strictEqual(withMember(many(32), "k31", "1"), `k31=1,${many(31)}`)
    assert.isNull(withoutMembers("a=1,b=2", "b", "a"))
  })
})
