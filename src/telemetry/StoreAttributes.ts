/** Which database stands behind a span that asks it, for pictures of who calls whom: its kind, name and address. */
import { Context } from "effect"

export const StoreAttributes = Context.Reference<Readonly<Record<string, string | number>>>(
  "wordloom/telemetry/StoreAttributes",
  { defaultValue: () => ({}) }
)
