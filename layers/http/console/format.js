/** Numbers, times and names as people read them. No DOM here. */

/** As `Intl` writes it, which takes 15 ms of a processor to begin. */
const whole = (/** @type {number} */ value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",")

/**
 * A count that reaches the bound of its counting says so.
 *
 * @param {number} value
 * @param {number} [max]
 */
export const count = (value, max = Number.POSITIVE_INFINITY) => value >= max ? `${whole(max)}+` : whole(value)

/**
 * `3 rows`, `1 row`.
 *
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export const plural = (value, one, many = `${one}s`) => `${whole(value)} ${value === 1 ? one : many}`

/** @param {number} value @param {number} digits */
const upTo = (value, digits) => String(Number(value.toFixed(digits)))

/**
 * Two parts at most: `840 µs`, `12 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`.
 *
 * @param {number} seconds
 */
export const duration = (seconds) => {
  const value = Math.abs(seconds)
  const sign = seconds < 0 ? "−" : ""
  if (value === 0) return "0 s"
  if (value < 0.000_999_5) return `${sign}${Math.max(1, Math.round(value * 1e6))} µs`
  if (value < 0.009_95) return `${sign}${upTo(value * 1e3, 1)} ms`
  if (value < 0.999_5) return `${sign}${Math.round(value * 1e3)} ms`
  if (value < 9.95) return `${sign}${upTo(value, 1)} s`
  if (value < 59.5) return `${sign}${Math.round(value)} s`
  return sign + twoParts(Math.round(value))
}

/** @param {number} seconds */
const twoParts = (seconds) => {
  /** @type {readonly [number, string, number, string]} */
  const [large, largeName, small, smallName] = seconds >= 86_400
    ? [86_400, "d", 3_600, "h"]
    : seconds >= 3_600
    ? [3_600, "h", 60, "min"]
    : [60, "min", 1, "s"]
  const rest = Math.floor(seconds % large / small)
  return `${Math.floor(seconds / large)} ${largeName}${rest === 0 ? "" : ` ${rest} ${smallName}`}`
}

/**
 * @param {string} from
 * @param {number} now milliseconds since 1970
 */
export const ago = (from, now) => {
  const seconds = (now - Date.parse(from)) / 1_000
  return seconds < 1 ? "just now" : `${duration(Math.floor(seconds))} ago`
}

/** @param {number} perSecond */
export const pace = (perSecond) =>
  perSecond === 0 ? "0/s" : perSecond < 10 ? `${perSecond.toFixed(1)}/s` : `${whole(Math.round(perSecond))}/s`

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

/**
 * `05 Nov 2026, 14:03:02`, where the clock of the browser stands.
 *
 * @param {string} at
 */
export const moment = (at) => {
  const date = new Date(at)
  const [day, hours, minutes, seconds] = [date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()].map(
    (part) => String(part).padStart(2, "0")
  )
  return `${day} ${months[date.getMonth()]} ${date.getFullYear()}, ${hours}:${minutes}:${seconds}`
}

/**
 * The end of an id tells more than its beginning, which is a time.
 *
 * @param {string} id
 */
export const short = (id) => id.length > 16 ? `…${id.slice(-12)}` : id

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * What somebody typed to have explained: the query for it, or `undefined` where these are only words.
 *
 * @param {string} typed
 * @returns {Readonly<Record<string, string>> | undefined}
 */
export const explainable = (typed) => {
  const text = typed.trim()
  const entity = /^(block|tag|library)[/:]\s*(\S+)$/i.exec(text)
  if (entity !== null && uuid.test(entity[2] ?? "")) {
    return { [(entity[1] ?? "").toLowerCase()]: (entity[2] ?? "").toLowerCase() }
  }
  if (/^(search|chronicle|realtime)\/\d+$/.test(text)) return { event: text }
  if (/^[0-9a-f]{32}$/i.test(text)) return { trace_id: text.toLowerCase() }
  const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/i.exec(text)
  if (traceparent !== null) return { trace_id: (traceparent[1] ?? "").toLowerCase() }
  if (uuid.test(text)) return { id: text.toLowerCase() }
  const request = /^request[/:]\s*([\w.-]{1,64})$/i.exec(text)
  return request === null ? undefined : { request_id: request[1] ?? "" }
}

/** @param {string} path */
export const withoutSlash = (path) => path.length > 1 ? path.replace(/\/$/, "") : path

/** @type {Readonly<Record<string, string>>} */
const named = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'" }

/**
 * The text that an escaped text stands for; engines escape in their own ways.
 *
 * @param {string} escaped
 */
export const unescaped = (escaped) =>
  escaped.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,4}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return named[name] ?? whole
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole
  })
