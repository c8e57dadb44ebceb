/** `tracestate` as OpenTelemetry passes it on, by our own codec: the API's own drops keys that level 2 allows. */
import type { TraceState } from "@opentelemetry/api"
import { memberOf, withMember, withoutMembers } from "../../src/domain/TraceContext.ts"

export class TraceStateText implements TraceState {
  readonly #text: string | null

  /** A list that is valid already. */
  constructor(text: string | null) {
    this.#text = text
  }
  set(key: string, value: string): TraceState {
    return new TraceStateText(withMember(this.#text, key, value))
  }
  unset(key: string): TraceState {
    return new TraceStateText(withoutMembers(this.#text, key))
  }
  get(key: string): string | undefined {
    return memberOf(this.#text, key)
  }
  serialize(): string {
    return this.#text ?? ""
  }
}
