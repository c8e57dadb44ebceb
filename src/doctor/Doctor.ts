/** Looks at the running system, in bounded time whatever is away, and judges what it found. */
import { Clock, Effect, Result } from "effect"
import { SecureRandom } from "effect/crypto"
import { SearchIndex } from "../search/SearchIndex.ts"
import type { TraceStore } from "../trace/TraceStore.ts"
import { requestsOf } from "./Counters.ts"
import { diagnose } from "./Diagnosis.ts"
import { probeOf } from "./Probe.ts"
import { type DatabaseFacts, DoctorDatabase, type PortFacts, Probes, type SystemFacts } from "./SystemFacts.ts"
import * as TraceLook from "./TraceLook.ts"

/** A port that the settings give away, and where its program says who it is. */
export interface PortGiven {
  readonly setting: string
  readonly host: string
  readonly port: number
  /** Of both, as an address says it. */
  readonly origin: string
  readonly path: keyof typeof oursAt
}

const oursAt = { "/health/live": /"status":"healthy"/, "/metrics": /_observability_series \d/ } as const

/** What the settings and the command line say. */
export type Told =
  & Pick<
    SystemFacts,
    | "tracing"
    | "tracesUrl"
    | "sampler"
    | "samplerArg"
    | "traceKeep"
    | "logsAreJson"
    | "logs"
    | "backend"
    | "apiUrl"
    | "folder"
    | "platform"
  >
  & {
    readonly tempoUrl: string | null
    readonly apiService: string
    readonly slowMs: number
    readonly ports: ReadonlyArray<PortGiven>
  }

/** Where traces are kept, as far as somebody said. */
export interface Stores {
  readonly traces: TraceStore["Service"] | null
  readonly tempo: TraceStore["Service"] | null
}

const engineWithin = "3 seconds"

/** One span is sent, and looked for wherever it should be. */
const probed = Effect.fnUntraced(function*({ tempoUrl, tracesUrl, tracing }: Told, { tempo, traces }: Stores) {
  const unsent = tempoUrl === null ? null : { url: tempoUrl, found: null }
  if (tracing !== "export") return { sent: null, found: null, tempo: unsent }
  const random = yield* SecureRandom.SecureRandom
  const traceId = (yield* random.uuidV4()).replaceAll("-", "")
  const post = probeOf(traceId, yield* Clock.currentTimeMillis)
  const sent = yield* Probes.use(({ ask }) => ask(tracesUrl, { post }))
  if (typeof sent === "string" || sent.status >= 300) return { sent, found: null, tempo: unsent }
  const [found, inTempo] = yield* Effect.all([
    traces === null ? Effect.succeed(null) : TraceLook.arrived(traces, traceId),
    tempo === null ? Effect.succeed(null) : TraceLook.arrived(tempo, traceId)
  ], { concurrency: 2 })
  return { sent, found, tempo: unsent === null ? null : { ...unsent, found: inTempo } }
})

const ownRequest = "wordloom-doctor"

/** Who has a port that the settings give away: what answers there as one of our programs does is one. */
const portOf = Effect.fnUntraced(function*({ host, origin, path, port, setting }: PortGiven) {
  const { ask, isTaken } = yield* Probes
  if (!(yield* isTaken(host, port))) return { setting, port, by: "nobody" } satisfies PortFacts
  const said = yield* ask(`${origin}${path}`)
  const isOurs = typeof said !== "string" && said.status === 200 && oursAt[path].test(said.body)
  return { setting, port, by: isOurs ? "us" : "another" } satisfies PortFacts
})

const looked = Effect.fnUntraced(function*({ apiUrl, folder, ports }: Told) {
  const { ask, livenessPaths } = yield* Probes
  const [ready, live, metrics, liveness, taken] = yield* Effect.all([
    ask(`${apiUrl}/health/ready`),
    ask(`${apiUrl}/health/live`, { headers: { "x-request-id": ownRequest } }),
    ask(`${apiUrl}/metrics`),
    livenessPaths(folder),
    Effect.forEach(ports.filter(({ port }) => port > 0), portOf, { concurrency: 3 })
  ], { concurrency: 5 })
  const echoed = typeof live !== "string" && live.headers["x-request-id"] === ownRequest
  return { ready, echoed, metrics, liveness, ports: taken }
})

const engineAway = SearchIndex.use(({ refresh }) => refresh).pipe(
  Effect.timeoutOrElse({
    duration: engineWithin,
    orElse: () => Effect.fail({ why: `no answer in ${engineWithin}`, reason: undefined })
  }),
  Effect.match({ onSuccess: () => null, onFailure: ({ reason, why }) => ({ why, noIndex: reason === "no_index" }) }),
  Effect.withTracerEnabled(false)
)

/** Of the database and the engine behind it. */
export const lookInside = Effect.gen(function*() {
  const database = yield* Effect.result(DoctorDatabase.use(({ look }) => look))
  return {
    database: Result.isSuccess(database) ? database.success : database.failure.message,
    engineAway: yield* engineAway
  }
})

export interface Inside {
  readonly database: DatabaseFacts | string
  readonly engineAway: SystemFacts["engineAway"]
}

/** `inside` is looked at by whoever could, or could not, reach the database. */
export const examine = Effect.fnUntraced(function*(told: Told, inside: Inside, stores: Stores) {
  const now = yield* Clock.currentTimeMillis
  const [probe, seen] = yield* Effect.all([probed(told, stores), looked(told)], { concurrency: 2 })
  const newest = typeof inside.database === "string" ? null : inside.database.newestTrace
  const { metrics } = seen
  const requests = typeof metrics === "string" ? null : requestsOf(metrics.body, told.slowMs) ?? null
  const traces = stores.traces === null
    ? { listed: null, trace: null, recent: null, kept: null }
    : yield* TraceLook.look(stores.traces, { newest, now, requests, service: told.apiService, slowMs: told.slowMs })
  const facts: SystemFacts = { ...told, ...inside, ...probe, ...seen, ...traces, now, requests }
  return diagnose(facts)
})
