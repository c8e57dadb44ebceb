/** What doctor has looked at: settings, database, engine, trace backend, API and manifests; judged by nobody yet. */
import { Context, type Effect } from "effect"
import type { ProjectionFacts } from "../explain/Facts.ts"
import type { StoreUnavailable } from "../outbox/StoreUnavailable.ts"
import type { Trace } from "../trace/Trace.ts"
import type { Requests } from "./Counters.ts"
import type { LogFacts } from "./LogFacts.ts"

/** Rows that are looked at, the newest. */
export const rowsLookedAt = 1_000

export interface DatabaseFacts {
  /** Of the newest rows of all outboxes. */
  readonly rows: number
  readonly rowsWithoutTrace: number
  /** Of those, written by a request. */
  readonly requestsWithoutTrace: number
  /** Of a row that search has finished lately. */
  readonly newestTrace: string | null
  readonly projections: ReadonlyArray<ProjectionFacts>
  /** Names of workers that ended without a word. */
  readonly workersKilled: ReadonlyArray<string>
  /** Names that two processes work under. */
  readonly ownersTwice: ReadonlyArray<string>
  /** Workers that have let a lease end. */
  readonly leasesOver: ReadonlyArray<string>
  /** Leases of workers that do not live. */
  readonly leasesOfNobody: ReadonlyArray<string>
  readonly dead: ReadonlyArray<{ readonly projection: string; readonly errorType: string; readonly rows: number }>
  /** Failed attempts of the last minutes. */
  readonly failures: ReadonlyArray<{ readonly errorType: string; readonly times: number; readonly attempt: number }>
  /** Rows that were lost at least twice within an hour, and by whom the last time. */
  readonly lostAgain: ReadonlyArray<{ readonly event: string; readonly times: number; readonly worker: string }>
  /** As the last comparison of the index with the entities found it. */
  readonly drift: number
}

export class DoctorDatabase extends Context.Service<DoctorDatabase, {
  readonly look: Effect.Effect<DatabaseFacts, StoreUnavailable>
}>()("wordloom/doctor/SystemFacts/DoctorDatabase") {}

export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/** What is said of somebody who answered in another protocol, such as gRPC's. */
export const notHttp = "who listens there speaks no HTTP"

/** Asks other programs, each within a bounded time. */
export class Probes extends Context.Service<Probes, {
  /** `post`: JSON. A string is why there was no answer. */
  readonly ask: (url: string, said?: {
    readonly post?: unknown
    readonly headers?: Readonly<Record<string, string>>
  }) => Effect.Effect<Answered | string>
  /** Whether somebody listens there. */
  readonly isTaken: (host: string, port: number) => Effect.Effect<boolean>
  /** Files below a folder that have a liveness probe, with its path; `undefined`: there is no such folder. */
  readonly livenessPaths: (folder: string) => Effect.Effect<
    ReadonlyArray<{ readonly file: string; readonly path: string }> | undefined
  >
}>()("wordloom/doctor/SystemFacts/Probes") {}

/** Ids of the newest traces of a service, as its list has them, and of those that hold one operation. */
export interface Listed {
  readonly byService: ReadonlyArray<string>
  readonly byOperation: ReadonlyArray<string>
}

/** A port that the settings give to one of the programs, and who has it. */
export interface PortFacts {
  readonly setting: string
  readonly port: number
  readonly by: "nobody" | "us" | "another"
}

/** Failed and slow requests that the backend has, counted to `keptMax`. */
export interface Kept {
  readonly failed: number
  readonly slow: number
}
export const keptMax = 100

export interface SystemFacts {
  /** Milliseconds since 1970. */
  readonly now: number
  /** What Node runs on, and which one it is. */
  readonly platform: string
  readonly tracing: "off" | "local" | "export"
  readonly tracesUrl: string
  readonly sampler: string
  readonly samplerArg: number
  /** Traces that are kept whatever the sampler says. */
  readonly traceKeep: ReadonlyArray<string>
  readonly logsAreJson: boolean
  /** What lines of a log say; `null`: nobody said where there are some. */
  readonly logs: LogFacts | null
  /** Why the database did not answer, or what it says. */
  readonly database: DatabaseFacts | string
  /** Why the engine did not answer, or that it has nothing to answer from. */
  readonly engineAway: { readonly why: string; readonly noIndex: boolean } | null
  /** What became of a span that was sent; `null`: none was, as nothing is exported. */
  readonly sent: Answered | string | null
  /** Where traces are asked for; `null`: nobody said where. */
  readonly backend: string | null
  readonly found: boolean | string | null
  /** Where Tempo is, if it was said, and whether the same span is there. */
  readonly tempo: { readonly url: string; readonly found: boolean | string | null } | null
  /** The worker's batches in the backend's list, or why it could not be read. */
  readonly listed: Listed | string | null
  /** The newest finished row's trace as the backend has it. */
  readonly trace: Trace | null
  /** The newest traces of every service, without those that go on; or why they could not be read. */
  readonly recent: ReadonlyArray<Trace> | string | null
  /** What the API has counted since it began, and what the backend has of it; `null`: it could not be looked at. */
  readonly requests: Requests | null
  readonly kept: Kept | null
  readonly apiUrl: string
  readonly ready: Answered | string
  readonly echoed: boolean
  readonly metrics: Answered | string
  readonly ports: ReadonlyArray<PortFacts>
  readonly folder: string
  readonly liveness: ReadonlyArray<{ readonly file: string; readonly path: string }> | undefined
}
