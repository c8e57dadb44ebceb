/** What proves that somebody may ask for a debug trace, for a short while: `<seconds since 1970>.<HMAC of them>`. */
import type { KeyedHash } from "./TraceTrust.ts"

/** In seconds. A token that is valid for longer was not made by us. */
export const longest = 3_600
/** The clocks of two machines may differ by so much. */
const skew = 60

const macOf = (hash: KeyedHash, until: string) => hash(`debug:${until}`)

/** `until`: seconds since 1970. */
export const make = (hash: KeyedHash, until: number): string => `${until}.${macOf(hash, String(until))}`

const shape = /^([1-9]\d{9,10})\.([0-9a-f]{64})$/

/** In a time that does not tell how much of it was right. */
const same = (a: string, b: string): boolean => {
  let different = a.length ^ b.length
  for (let at = 0; at < a.length; at++) different |= a.charCodeAt(at) ^ b.charCodeAt(at)
  return different === 0
}

/** `now`: seconds since 1970. */
export const check = (hash: KeyedHash, token: string, now: number): "valid" | "expired" | "invalid" => {
  const [, until = "", mac = ""] = shape.exec(token) ?? []
  if (until === "" || !same(mac, macOf(hash, until)) || Number(until) > now + longest + skew) return "invalid"
  return Number(until) < now ? "expired" : "valid"
}
