/** How one setting's text becomes a value; each kind knows what to tell a person whose text does not fit. */
import { Duration, Redacted, Result } from "effect"

export interface SettingKind<A> {
  readonly parse: (text: string) => Result.Result<A, string>
  /** What may be printed of the text: all of it, unless it is or holds a secret. */
  readonly shown: (text: string) => string
  /** Nothing is a value, too: a name that is set to nothing is set. */
  readonly takesNothing?: true
}

const asItIs = (text: string) => text
const nothing = () => "<redacted>"
const withoutPassword = (text: string) => text.replace(/(\/\/)[^/\s]*@/g, "$1<redacted>@")

const kind = <A>(allowed: string, read: (text: string) => A | undefined, shown = asItIs): SettingKind<A> => ({
  shown,
  parse: (text) => {
    const value = read(text)
    return value === undefined ? Result.fail(allowed) : Result.succeed(value)
  }
})

export const words = kind("any text", (text) => text)

export const pattern = (regex: RegExp, allowed: string) => kind(allowed, (text) => regex.test(text) ? text : undefined)

export const integer = (min: number, max: number) =>
  kind(`a whole number from ${min} to ${max}`, (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max ? value : undefined
  })

export const ratio = kind("a number from 0.0 to 1.0", (text) => {
  const value = /^(0|1|0?\.\d+|[01]\.\d+)$/.test(text) ? Number(text) : Number.NaN
  return value >= 0 && value <= 1 ? value : undefined
})

export const port = integer(0, 65_535)

export interface Address {
  readonly host: string
  readonly port: number
}

/** `host:port`, an IPv6 address in brackets. */
export const address: SettingKind<Address> = kind("host:port", (text) => {
  const match = /^(\[[0-9a-f:.]+\]|[\w.-]+):(\d{1,5})$/i.exec(text)
  const number = Number(match?.[2])
  return match === null || number < 1 || number > 65_535
    ? undefined
    : { host: match[1]!.replace(/^\[|\]$/g, ""), port: number }
})

export const isAddress = (value: unknown): value is Address =>
  typeof value === "object" && value !== null && "host" in value && "port" in value

/** As `address` reads it. */
export const formatAddress = ({ host, port }: Address): string => `${host.includes(":") ? `[${host}]` : host}:${port}`

export const oneOf = <const A extends ReadonlyArray<string>>(...values: A): SettingKind<A[number]> =>
  kind(`one of ${values.join(", ")}`, (text) => values.find((value) => value === text.toLowerCase()) as A[number])

export const someOf = <const A extends ReadonlyArray<string>>(...values: A): SettingKind<ReadonlyArray<A[number]>> =>
  kind(`a comma-separated list of ${values.join(", ")}`, (text) => {
    const chosen = text.split(",").map((part) => part.trim()).filter((part) => part !== "")
    return chosen.length > 0 && chosen.every((part) => values.includes(part)) ? [...new Set(chosen)] : undefined
  })

/** As `someOf`, and none of them: nothing at all, or the word. */
export const anyOf = <const A extends ReadonlyArray<string>>(...values: A): SettingKind<ReadonlyArray<A[number]>> => ({
  ...kind(`a comma-separated list of ${values.join(", ")}; or none`, (text) => {
    const chosen = text.split(",").map((part) => part.trim()).filter((part) => part !== "" && part !== "none")
    return chosen.every((part) => values.includes(part)) ? [...new Set(chosen)] : undefined
  }),
  takesNothing: true
})

const yes = ["1", "true", "yes", "on"]
const no = ["0", "false", "no", "off"]
export const flag = kind(
  `one of ${yes.join(", ")}, ${no.join(", ")}`,
  (text) => yes.includes(text.toLowerCase()) ? true : no.includes(text.toLowerCase()) ? false : undefined
)

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** `250ms`, `5s`, `30m`, `1h`; a bare number is seconds. */
export const duration = (minMs: number, maxMs: number): SettingKind<Duration.Duration> =>
  kind(`a duration such as 250ms, 5s, 30m or 1h, from ${minMs}ms to ${maxMs}ms`, (text) => {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
    const ms = match === null ? Number.NaN : Number(match[1]) * unitMs[(match[2] ?? "s") as keyof typeof unitMs]
    return ms >= minMs && ms <= maxMs ? Duration.millis(ms) : undefined
  })

/** In the largest unit that leaves no fraction, as `duration` reads it. */
export const formatDuration = (value: Duration.Duration): string => {
  const ms = Duration.toMillis(value)
  const unit =
    (["h", "m", "s"] as const).find((candidate) => ms >= unitMs[candidate] && ms % unitMs[candidate] === 0) ?? "ms"
  return `${ms / unitMs[unit]}${unit}`
}

export const url = kind("an http:// or https:// address", (text) => {
  const parsed = URL.parse(text)
  return parsed !== null && /^https?:$/.test(parsed.protocol) && isDecodable(parsed)
    ? parsed.href.replace(/\/+$/, "")
    : undefined
}, withoutPassword)

/** A percent sign that nothing follows, in a text that is percent-encoded, is found here and not where it is used. */
const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const isDecodable = ({ password, pathname, username }: URL) =>
  [username, password, pathname].every((part) => decoded(part) !== undefined)

/** `key=value,key=value`. Values are percent-encoded by the specification, and typed by people who have not read it. */
export const attributesOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text.split(",").filter((pair) => pair.includes("=")).map((pair) => {
      const at = pair.indexOf("=")
      const value = pair.slice(at + 1).trim()
      return [pair.slice(0, at).trim(), decoded(value) ?? value]
    })
  )

/** One server or several of a cluster, with or without a user and a password. */
export const natsUrl: SettingKind<Redacted.Redacted> = kind(
  "nats://host:port, or several separated by commas",
  (text) => {
    const servers = text.split(",").map((one) => URL.parse(one.trim()))
    return servers.every((server) =>
        server !== null && /^(nats|tls):$/.test(server.protocol) && server.hostname !== "" && isDecodable(server)
      )
      ? Redacted.make(text)
      : undefined
  },
  withoutPassword
)

export const secretText: SettingKind<Redacted.Redacted> = kind("any text", (text) => Redacted.make(text), nothing)

/** What signs must not be guessed. */
export const secretKey = (least: number): SettingKind<Redacted.Redacted> =>
  kind(`at least ${least} characters`, (text) => text.length >= least ? Redacted.make(text) : undefined, nothing)

/** Other tools' spellings (`postgres://`, SQLAlchemy's `postgresql+psycopg://`) are taken as `postgresql://`. */
export const postgresUrl: SettingKind<Redacted.Redacted> = kind(
  "postgresql://user:password@host:port/database, with %25 for a %",
  (text) => {
    const parsed = URL.parse(text.replace(/^postgres(ql)?(\+[a-z0-9_]+)?:\/\//i, "postgresql://"))
    return parsed?.protocol === "postgresql:" && parsed.hostname !== "" && parsed.pathname.length > 1 &&
        isDecodable(parsed)
      ? Redacted.make(parsed.href)
      : undefined
  },
  nothing
)
