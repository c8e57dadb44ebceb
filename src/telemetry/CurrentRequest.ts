/** On whose behalf this fiber works: what a row, a log line and an answer say of it. */
import { Context } from "effect"

export interface CurrentRequest {
  readonly requestId: string | null
  readonly actor: string
}

/** Nobody's request until a border sets it; the actor is `anonymous` while there is no authentication. */
export const CurrentRequest = Context.Reference<CurrentRequest>("wordloom/telemetry/CurrentRequest", {
  defaultValue: () => ({ requestId: null, actor: "anonymous" })
})

/** Fit to be echoed, stored and logged. */
export const isRequestId = (text: string): boolean => /^[A-Za-z0-9._-]{1,64}$/.test(text)
