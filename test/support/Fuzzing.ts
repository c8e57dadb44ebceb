/** Headers and bodies from a seed: some as they should be, some almost, some of anything that HTTP lets through. */
import type { Random } from "./Seeded.ts"

export const hex = "0123456789abcdef"
const printable = Array.from({ length: 95 }, (_, n) => String.fromCharCode(32 + n)).join("")
/** What HTTP allows in a field's value beside visible ASCII: tab, and bytes that mean nothing. */
const junk = `\t\u0080\u0085\u00a0\u00ad\u00df\u00e9\u00fe\u00ff${printable}`

export const text = (random: Random, alphabet: string, min: number, max: number) =>
  random.many(min, max, () => alphabet[random.int(0, alphabet.length - 1)]).join("")

/** A length from nothing to 8 KB, short ones more often. */
const junkText = (random: Random) => {
  const max = random.one([0, 1, 8, 60, 60, 300, 300, 1_000, 8_192])
  return text(random, random.one([junk, printable, hex, ",=;- \t"]), 0, max)
}

/** One character is changed, taken away or put in. */
const almost = (random: Random, value: string) => {
  const at = random.int(0, value.length)
  const [skip, put] = random.one([[1, text(random, junk, 1, 1)], [1, ""], [0, text(random, junk, 1, 3)]] as const)
  return value.slice(0, at) + put + value.slice(at + skip)
}

const goodHeaders: Readonly<Record<string, (random: Random) => string>> = {
  traceparent: (random) =>
    `${random.one(["00", "00", "00", "01", "cc", "ff"])}-${text(random, random.one([hex, "0"]), 32, 32)}-` +
    `${text(random, random.one([hex, "0"]), 16, 16)}-${text(random, hex, 2, 2)}${random.one(["", "", "", "-x"])}`,
  tracestate: (random) =>
    random.many(0, 40, () => `${text(random, `${hex}_-*/@`, 1, 20)}=${text(random, printable, 0, 40)}`).join(
      random.one([",", " , "])
    ),
  b3: (random) => `${text(random, hex, 32, 32)}-${text(random, hex, 16, 16)}-1`,
  baggage: (random) =>
    random.many(1, 5, () => `${text(random, hex, 1, 8)}=${text(random, printable, 0, 20)}`).join(","),
  "x-request-id": (random) => text(random, `${hex}ABC._-`, 1, 64),
  "x-dynamo-request-id": () => crypto.randomUUID(),
  "idempotency-key": (random) => text(random, printable.slice(1), 1, 200),
  prefer: (random) =>
    random.one(["wait=0", "wait=0.01", "wait=-1", "wait=abc", "wait", "respond-async", "wait=0, wait=0"]),
  "if-match": (random) => random.one(["*", "\"1\"", "\"2\"", "W/\"1\"", `"${random.int(0, 99_999)}"`]),
  "user-agent": junkText,
  accept: () => "application/json"
}

export const anyHeaders = (random: Random): Record<string, string> =>
  Object.fromEntries(
    Object.entries(goodHeaders).filter(() => random.chance(0.5)).map(([name, good]) => {
      const value = good(random)
      // HTTP takes no space at either end of a value for a part of it.
      return [name, random.one([value, value, almost(random, value), junkText(random)])]
    })
  )

/** What may carry a trace, and what others take for it; each header once, twice or not at all. */
const contextNames = [
  "traceparent",
  "traceparent",
  "tracestate",
  "tracestate",
  "b3",
  "baggage",
  "x-request-id"
] as const

export const anyContext = (random: Random): Record<string, string | ReadonlyArray<string>> => {
  const valueOf = (name: keyof typeof goodHeaders) => {
    const good = goodHeaders[name]!(random)
    return random.one([good, good, almost(random, good), junkText(random), text(random, printable, 0, 16_000)])
  }
  const headers: Record<string, string | ReadonlyArray<string>> = {}
  for (const name of contextNames) {
    if (random.chance(0.25)) continue
    headers[name] = random.chance(0.1) ? [valueOf(name), valueOf(name)] : valueOf(name)
  }
  if (random.chance(0.1)) {
    headers["x-wordloom-debug"] = random.one(["1", "0", junkText(random), `${random.int(0, 2e9)}.0`])
  }
  return headers
}

const strings = [
  "",
  " ",
  "a",
  "null",
  "\u0000",
  "\ud800",
  "\udfff\ud800",
  "\u2028",
  "\u202e",
  "\u001b[31m",
  "\r\n{\"level\":\"fake\"}",
  "🧵",
  "é",
  "e\u0301",
  "%s%n",
  "${x}",
  "'; --",
  "<b>",
  "__proto__",
  "#1E90FF",
  "01890000-0000-7000-8000-000000000000",
  "x".repeat(201),
  "noop"
]
const fields = [
  "name",
  "color",
  "title",
  "body",
  "library_id",
  "tag_ids",
  "id",
  "version",
  "projection",
  "status",
  "error_type",
  "after",
  "before",
  "__proto__",
  "constructor",
  "toString",
  "length",
  "",
  "\u0000",
  "𝒳"
]

export const anyJson = (random: Random, depth: number): unknown => {
  const kind = random.int(0, depth > 0 ? 7 : 5)
  switch (kind) {
    case 0:
      return random.one(strings)
    case 1:
      return text(random, `${printable}äßπ🧵\n\u0000\ud800`, 0, random.one([5, 50, 600]))
    case 2:
      return random.one([0, -0, 1, -1, 1.5, 1e308, 2 ** 53, -(2 ** 31), 1e-7])
    case 3:
      return random.one([true, false, null])
    case 4:
      return random.one([
        "2026-01-31T12:00:00Z",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "2026-02-30T00:00:00+14:00"
      ])
    case 5:
      return random.one(["search", "chronicle", "dead", "done"])
    case 6:
      return random.many(0, 5, () => anyJson(random, depth - 1))
    default:
      return anyObject(random, depth - 1)
  }
}

export const anyObject = (random: Random, depth: number): Record<string, unknown> => {
  const made: Record<string, unknown> = Object.create(null)
  for (const key of random.many(0, 6, () => random.one(fields))) made[key] = anyJson(random, depth)
  return made
}
