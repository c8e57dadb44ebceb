/** Looks at the running system, in bounded time whatever is away, and judges what it found. */
import { Clock, Effect, Result } from "effect"
import { SecureRandom } from "effect/crypto"
import { SearchIndex } from "../search/SearchIndex.ts"
import { batches } from "./Batches.ts"
import { diagnose } from "./Diagnosis.ts"
import { type DatabaseFacts, DoctorDatabase, Probes, type SystemFacts } from "./SystemFacts.ts"
import { idsOf, listsOf, probeOf, spansOf } from "./TraceAnswer.ts"

/** What the settings and the command line say. */
export type Told =
  & Pick<
    SystemFacts,
    "tracing" | "tracesUrl" | "sampler" | "samplerArg" | "logsAreJson" | "backend" | "apiUrl" | "folder" | "platform"
  >
  & { readonly tempoUrl: string | null }

const engineWithin = "3 seconds"
/** A collector sends on what it took within a second or two. */
const foundTries = 20
const foundEvery = "400 millis"

const traceOf = Effect.fnUntraced(function*(backend: string, traceId: string) {
  const said = yield* Probes.use(({ ask }) =>
    ask(`${backend}/traces/${traceId}`, { headers: { accept: "application/json" } })
  )
  if (typeof said === "string") return said
  return said.status >= 500 ? `it answers ${said.status}` : spansOf(said.body)
})

/** Asked for until it is there. */
const arrived = Effect.fnUntraced(function*(backend: string, traceId: string) {
  for (let each = 0; each < foundTries; each++) {
    const found = yield* traceOf(backend, traceId)
    if (typeof found === "string") return found
    if (found !== undefined) return true
    yield* Effect.sleep(foundEvery)
  }
  return false
})

/** One span is sent, and looked for wherever it should be. */
const probed = Effect.fnUntraced(function*({ backend, tempoUrl, tracesUrl, tracing }: Told) {
  const tempo = tempoUrl === null ? null : { url: tempoUrl, found: null }
  if (tracing !== "export") return { sent: null, found: null, tempo }
  const random = yield* SecureRandom.SecureRandom
  const traceId = (yield* random.uuidV4()).replaceAll("-", "")
  const post = probeOf(traceId, yield* Clock.currentTimeMillis)
  const sent = yield* Probes.use(({ ask }) => ask(tracesUrl, { post }))
  if (typeof sent === "string" || sent.status >= 300) return { sent, found: null, tempo }
  const [found, inTempo] = yield* Effect.all([
    backend === null ? Effect.succeed(null) : arrived(backend, traceId),
    tempoUrl === null ? Effect.succeed(null) : arrived(tempoUrl, traceId)
  ], { concurrency: 2 })
  return { sent, found, tempo: tempo === null ? null : { ...tempo, found: inTempo } }
})

/** As many as Jaeger's own page lists, of a day. */
const listMax = 20
const listedMs = 24 * 60 * 60 * 1_000

const listOf = Effect.fnUntraced(function*(backend: string, operation: string | null) {
  const { ask } = yield* Probes
  const to = yield* Clock.currentTimeMillis
  const asked = listsOf({ service: batches.service, operation, limit: listMax, from: to - listedMs, to })
  let why = ""
  for (const path of asked) {
    const said = yield* ask(`${backend}/${path}`, { headers: { accept: "application/json" } })
    const ids = typeof said === "string" ? undefined : idsOf(said.body)
    if (ids !== undefined) return ids
    why = typeof said === "string" ? said : `it answers ${said.status}`
  }
  return why
})

const listed = Effect.fnUntraced(function*(backend: string) {
  const [byService, byOperation] = [yield* listOf(backend, null), yield* listOf(backend, batches.operation)]
  return typeof byService === "string"
    ? byService
    : typeof byOperation === "string"
    ? byOperation
    : { byService, byOperation }
})

const ownRequest = "wordloom-doctor"

const looked = Effect.fnUntraced(function*({ apiUrl, folder }: Told) {
  const { ask, livenessPaths } = yield* Probes
  const [ready, live, metrics, liveness] = yield* Effect.all([
    ask(`${apiUrl}/health/ready`),
    ask(`${apiUrl}/health/live`, { headers: { "x-request-id": ownRequest } }),
    ask(`${apiUrl}/metrics`),
    livenessPaths(folder)
  ], { concurrency: 4 })
  const echoed = typeof live !== "string" && live.headers["x-request-id"] === ownRequest
  return { ready, echoed, metrics, liveness }
})

const engineAway = SearchIndex.use(({ refresh }) => refresh).pipe(
  Effect.timeoutOrElse({
    duration: engineWithin,
    orElse: () => Effect.fail({ message: `no answer in ${engineWithin}` })
  }),
  Effect.match({ onSuccess: () => null, onFailure: ({ message }) => message }),
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
  readonly engineAway: string | null
}

/** `inside` is looked at by whoever could, or could not, reach the database. */
export const examine = Effect.fnUntraced(function*(told: Told, inside: Inside) {
  const [probe, seen] = yield* Effect.all([probed(told), looked(told)], { concurrency: 2 })
  const newest = typeof inside.database === "string" ? null : inside.database.newestTrace
  const trace = told.backend === null || newest === null ? undefined : yield* traceOf(told.backend, newest)
  const facts: SystemFacts = {
    ...told,
    ...inside,
    ...probe,
    ...seen,
    listed: told.backend === null ? null : yield* listed(told.backend),
    trace: trace === undefined || typeof trace === "string" ? null : trace
  }
  return diagnose(facts)
})
