/** HMAC-SHA256 by Node: it answers at once, where the web's only promises to. */
import { Redacted } from "effect"
import { createHmac } from "node:crypto"
import type { KeyedHash } from "../../src/telemetry/TraceTrust.ts"

export const keyedHash = (key: Redacted.Redacted): KeyedHash => (text) =>
  createHmac("sha256", Redacted.value(key)).update(text).digest("hex")
