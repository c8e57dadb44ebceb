/** The `Prefer` header (RFC 7240): what a caller would like of an answer. What is not understood is passed over. */
import { Duration } from "effect"

/** What is left of the time that a request has, once the write itself has taken its part. */
export const waitMaxSeconds = 25

/** All between two commas that are not in quotes; a quote that nothing closes is a character like any other. */
const pieces = /(?:[^",]|"(?:[^"\\]|\\.)*"|")+/gs
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/** A name, its value in quotes or without, and parameters, of which none means anything here. */
const preference = new RegExp(`^\\s*(${token})\\s*(?:=\\s*(?:(${token})|"((?:[^"\\\\]|\\\\.)*)"))?\\s*(?:;.*)?$`, "s")

/** The value of each preference under its name in lower case, "" where it has none. The first of a name counts. */
export const preferencesOf = (header: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const [piece] of header.matchAll(pieces)) {
    const [, name, plain, quoted = ""] = preference.exec(piece) ?? []
    if (name === undefined || found.has(name.toLowerCase())) continue
    found.set(name.toLowerCase(), plain ?? quoted.replaceAll(/\\(.)/gs, "$1"))
  }
  return found
}

/** How long the caller would wait until the write is found; `undefined` where nothing is said of it. */
export const waitOf = (header: string | undefined): Duration.Duration | undefined => {
  const wait = preferencesOf(header ?? "").get("wait")
  return wait === undefined || !/^\d+$/.test(wait)
    ? undefined
    : Duration.seconds(Math.min(Number(wait), waitMaxSeconds))
}
