/** A part of the benchmark: whom it needs, and what it does with them. */
import type { Finding } from "./Findings.ts"
import type { Options } from "./Options.ts"
import type { Peer, Server } from "./Peers.ts"
import type { Progress } from "./Progress.ts"

/** What a stage works with. */
export interface Bench {
  readonly options: Options
  readonly server: Server
  readonly peer: (name: string) => Peer
  readonly progress: Progress
}

export interface Stage {
  readonly peers: (options: Options) => ReadonlyArray<string>
  readonly run: (bench: Bench) => Promise<Finding>
}
