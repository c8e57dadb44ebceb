/** One thing that doctor looks at: a judgement of what was gathered. */
import type { Finding } from "./Finding.ts"
import type { SystemFacts } from "./SystemFacts.ts"

export interface Said extends Pick<Finding, "health" | "cause"> {
  readonly evidence?: Finding["evidence"]
  readonly fix?: string
}

export type Check = readonly [id: string, title: string, look: (facts: SystemFacts) => Said]
