/** `wordloom doctor`: the troubleshooting table as checks against the running system. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Cause, Duration, Effect, Layer, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { FetchHttpClient } from "effect/http"
import * as ProbesHttp from "../../../layers/http/ProbesHttp.ts"
import * as DoctorPostgres from "../../../layers/postgres/DoctorPostgres.ts"
import * as TraceStoreJaeger from "../../../layers/tracestore/TraceStoreJaeger.ts"
import * as TraceStoreTempo from "../../../layers/tracestore/TraceStoreTempo.ts"
import { examine, lookInside, type PortGiven, type Told } from "../../../src/doctor/Doctor.ts"
import { Finding } from "../../../src/doctor/Finding.ts"
import { type LogFacts, logFactsOf, logLinesMax } from "../../../src/doctor/LogFacts.ts"
import { formatAddress } from "../../../src/settings/SettingKind.ts"
import { Settings } from "../../../src/settings/Settings.ts"
import { TraceStore } from "../../../src/trace/TraceStore.ts"
import * as SearchEngine from "../SearchEngine.ts"
import * as Backend from "./Backend.ts"
import { failure, messageOf, unreachable, wrongUsage } from "./ExitCode.ts"
import { lastLines } from "./LogSource.ts"
import * as Output from "./Output.ts"

export interface Input {
  readonly api: string | undefined
  readonly traces: string | undefined
  readonly tempo: string | undefined
  readonly logs: string | undefined
  readonly manifests: string
  readonly json: boolean
}

/** Jaeger and Tempo answer below `/api` of the address where Jaeger's pages are, too. */
const backendOf = (traceUrl: string | undefined) => {
  const url = traceUrl === undefined ? null : URL.parse(traceUrl.replaceAll("{trace_id}", "0"))
  return url === null ? null : `${url.origin}/api`
}

const toldBy = ({ api, manifests, tempo, traces }: Input, logs: LogFacts | null) =>
  Effect.map(Settings, (settings): Told => {
    const host = settings.httpHost === "0.0.0.0" ? "127.0.0.1" : settings.httpHost
    const originOf = (port: number) => `http://${formatAddress({ host, port })}`
    const portOf = (setting: string, port: number, path: PortGiven["path"]) => ({
      setting,
      host,
      port,
      origin: originOf(port),
      path
    })
    return {
      tracing: settings.tracing,
      tracesUrl: settings.otlpTracesEndpoint,
      sampler: settings.sampler,
      samplerArg: settings.samplerRatio,
      traceKeep: settings.traceKeep,
      slowMs: Duration.toMillis(settings.traceSlow),
      logsAreJson: settings.logFormat !== "pretty",
      logs,
      backend: traces?.replace(/\/+$/, "") ?? backendOf(settings.traceUrl),
      apiUrl: api?.replace(/\/+$/, "") ?? originOf(settings.httpPort),
      apiService: settings.serviceName ?? "wordloom-api",
      tempoUrl: tempo?.replace(/\/+$/, "") ?? null,
      ports: [
        portOf("WORDLOOM_HTTP_PORT", settings.httpPort, "/health/live"),
        portOf("OUTBOX_METRICS_PORT", settings.workerMetricsPort, "/metrics"),
        portOf("OUTBOX_HTTP_PORT", settings.workerHttpPort, "/health/live")
      ],
      folder: manifests,
      platform: `${process.platform}, Node ${process.versions.node}`
    }
  })

const baseOf = (flag: string, url: string) => {
  const base = URL.parse(url)
  return base !== null && /^https?:$/.test(base.protocol)
    ? Effect.succeed(base)
    : Effect.fail(wrongUsage(`--${flag}=${url} is not allowed: an http:// or https:// address`))
}

/** One address, and Jaeger or Tempo at it: whoever answers is the one; of one that is away Jaeger's adapter tells. */
const storeAt = Effect.fnUntraced(function*(url: string) {
  const base = yield* baseOf("traces", url)
  const jaeger = yield* Effect.provide(TraceStore, TraceStoreJaeger.layer(base))
  const tempo = yield* Effect.provide(TraceStore, TraceStoreTempo.layer(base))
  const asked = [jaeger, tempo].map(({ services }) => Effect.isSuccess(Effect.timeout(services, "3 seconds")))
  const [isJaeger, isTempo] = yield* Effect.all(asked, { concurrency: 2 })
  return isTempo === true && isJaeger !== true ? tempo : jaeger
})

const storesOf = Effect.fnUntraced(function*({ backend, tempoUrl }: Told) {
  return {
    traces: backend === null ? null : yield* storeAt(backend),
    tempo: tempoUrl === null
      ? null
      : yield* Effect.provide(TraceStore, TraceStoreTempo.layer(yield* baseOf("tempo", tempoUrl)))
  }
})

const inside = lookInside.pipe(
  Effect.provide(
    Layer.mergeAll(DoctorPostgres.layer, SearchEngine.layer).pipe(Layer.provide(Backend.layerAsIs))
  ),
  Effect.catchCause((cause) =>
    Effect.succeed({
      database: messageOf(cause) ?? Cause.pretty(cause),
      engineAway: { why: "not looked at", noIndex: false }
    })
  )
)

const colorOf = { ok: Output.green, warn: Output.yellow, fail: Output.red, skip: Output.dim } as const

const columns: ReadonlyArray<Output.Column<Finding>> = [
  { title: "CHECK", text: ({ id }) => id },
  { title: "", text: ({ health }) => health, color: ({ health }) => colorOf[health] },
  { title: "WHAT", text: ({ title }) => title },
  { title: "FOUND", text: ({ cause }) => cause }
]

const mending = (findings: ReadonlyArray<Finding>): ReadonlyArray<string> =>
  findings.filter(({ fix, health }) => fix !== null && (health === "warn" || health === "fail")).flatMap(
    ({ evidence, fix, health, id }) => {
      const shown = Object.entries(evidence).map(([name, value]) => `${name}=${value ?? "unknown"}`).join(" ")
      return [`${colorOf[health](id)}  ${fix}`, ...(shown === "" ? [] : [Output.dim(`       ${shown}`)])]
    }
  )

const textOf = (findings: ReadonlyArray<Finding>): string => {
  const steps = mending(findings)
  return [Output.table(columns, findings), ...(steps.length === 0 ? [] : ["", Output.bold("what to do"), ...steps])]
    .join("\n")
}

const encode = Schema.encodeSync(Schema.Array(Finding))

export const run = Effect.fnUntraced(function*(input: Input) {
  const logs = input.logs === undefined ? null : logFactsOf(yield* lastLines(input.logs, logLinesMax))
  if (input.api !== undefined) yield* baseOf("api", input.api)
  const told = yield* toldBy(input, logs).pipe(Effect.provide(Settings.layer(process.env)))
  const stores = yield* storesOf(told)
  const seen = yield* inside
  const findings = yield* examine(told, seen, stores).pipe(
    Effect.provide(
      Layer.merge(
        ProbesHttp.layer.pipe(Layer.provide([FetchHttpClient.layer, NodeFileSystem.layer])),
        SecureRandom.layerWebCrypto
      )
    )
  )
  const failed = findings.filter(({ health }) => health === "fail").map(({ id }) => id)
  yield* input.json
    ? Output.printJson({
      healthy: failed.length === 0 && typeof seen.database !== "string",
      findings: encode(findings)
    })
    : Output.print(textOf(findings))
  if (typeof seen.database === "string") return yield* unreachable(seen.database)
  if (failed.length > 0) return yield* failure(`${failed.join(", ")} failed`)
})
