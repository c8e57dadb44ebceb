/** `wordloom trace verify`: what a trace store tells of a change, against the span tree that the contract promises. */
import { Clock, DateTime, Duration, Effect, Option, Result } from "effect"
import * as TraceStoreJaeger from "../../../layers/tracestore/TraceStoreJaeger.ts"
import * as TraceStoreTempo from "../../../layers/tracestore/TraceStoreTempo.ts"
import * as Kind from "../../../src/settings/SettingKind.ts"
import { type Asked, type Verified, verifyPatiently } from "../../../src/trace/Gather.ts"
import { workerService } from "../../../src/trace/SpanRules.ts"
import { hasPassed } from "../../../src/trace/Verify.ts"
import { failure, unreachable, wrongUsage } from "./ExitCode.ts"
import * as Output from "./Output.ts"
import * as SnapshotFolder from "./SnapshotFolder.ts"
import * as TraceReport from "./TraceReport.ts"

export interface Input {
  readonly service: string
  readonly operation: string
  readonly baseUrl: string | undefined
  readonly lookback: string
  readonly outdir: string | undefined
  readonly lab: string
  readonly traceId: string | undefined
  readonly since: string | undefined
  readonly wait: string
  readonly backend: "jaeger" | "tempo"
  readonly limit: number
  readonly json: boolean
}

const stores = {
  jaeger: { layer: TraceStoreJaeger.layer, at: "http://localhost:16686/api" },
  tempo: { layer: TraceStoreTempo.layer, at: "http://localhost:3200/api" }
} as const

const week = Duration.toMillis("7 days")
const spans = Kind.duration(1_000, week)
const patience = Kind.duration(0, Duration.toMillis("10 minutes"))

const durationOf = (flag: string, kind: typeof spans, value: string) =>
  Result.match(kind.parse(value), {
    onFailure: (allowed) => Effect.fail(wrongUsage(`--${flag}=${value} is not allowed: ${allowed}`)),
    onSuccess: (read) => Effect.succeed(Duration.toMillis(read))
  })

const baseOf = ({ backend, baseUrl }: Input) => {
  const url = URL.parse(baseUrl ?? stores[backend].at)
  return url !== null && /^https?:$/.test(url.protocol)
    ? Effect.succeed(url)
    : Effect.fail(wrongUsage(`--base-url=${baseUrl} is not allowed: an http:// or https:// address`))
}

const sinceOf = ({ since }: Input, now: number) => {
  if (since === undefined) return Effect.succeed(0)
  const ago = spans.parse(since)
  if (Result.isSuccess(ago)) return Effect.succeed(now - Duration.toMillis(ago.success))
  const at = DateTime.make(since)
  return Option.isSome(at)
    ? Effect.succeed(DateTime.toEpochMillis(at.value))
    : Effect.fail(wrongUsage(`--since=${since} is not allowed: a time such as 2026-01-31T12:00:00Z, or 10m ago`))
}

/** Taken as it is by both stores: nothing that would end a query or reach into another. */
const nameAllowed = /^[^\p{Cc}]{1,200}$/u

const askedOf = Effect.fnUntraced(function*(input: Input, now: number) {
  const { limit, operation, service, traceId } = input
  if (traceId !== undefined && !/^(?!0+$)[0-9a-f]{32}$/.test(traceId)) {
    return yield* wrongUsage(`--trace-id=${traceId} is not allowed: 32 hexadecimal digits in lower case`)
  }
  for (const [flag, value] of Object.entries({ service, operation })) {
    if (!nameAllowed.test(value)) return yield* wrongUsage(`--${flag} is not allowed: 1 to 200 printable characters`)
  }
  if (!SnapshotFolder.labAllowed.test(input.lab)) {
    return yield* wrongUsage(`--lab=${input.lab} is not allowed: lower-case letters, digits and '-', at most 40`)
  }
  if (limit < 1 || limit > 100) return yield* wrongUsage(`--limit=${limit} is not allowed: 1 to 100`)
  const lookback = yield* durationOf("lookback", spans, input.lookback)
  const from = Math.max(now - lookback, yield* sinceOf(input, now))
  return {
    traceId,
    wanted: { service, operation, from, to: now, limit },
    services: Object.keys(defaults).includes(service) ? [] : [service]
  } satisfies Asked
})

/** The services of contract §5; any other that is asked for is one that `OTEL_SERVICE_NAME` has named. */
const defaults = Object.fromEntries(
  ["wordloom-api", ...["search", "chronicle", "realtime"].map(workerService)].map((name) => [name, true])
)

const nothing = ({ operation, service, traceId }: Input, store: string) =>
  failure(
    traceId === undefined
      ? `${store} has no trace of ${service} with ${operation} in that time: is tracing on ` +
        "(WORDLOOM_TRACING_ENABLED=1), does OTEL_EXPORTER_OTLP_ENDPOINT lead there, and has a worker found work?"
      : `${store} has no trace ${traceId}: it may not have arrived yet (--wait), or not have been sampled`
  )

/** What a person looks at first: what failed, else the newest. */
const chosen = (verified: ReadonlyArray<Verified>) => verified.find(({ checks }) => !hasPassed(checks)) ?? verified[0]!

export const run = Effect.fnUntraced(function*(input: Input) {
  const now = yield* Clock.currentTimeMillis
  const asked = yield* askedOf(input, now)
  const waitMs = yield* durationOf("wait", patience, input.wait)
  const base = yield* baseOf(input)
  const verified = yield* verifyPatiently(asked, waitMs).pipe(
    Effect.provide(stores[input.backend].layer(base)),
    Effect.catchTag("TraceStoreUnavailable", ({ message }) => Effect.fail(unreachable(message)))
  )
  if (verified.length === 0) return yield* nothing(input, input.backend === "jaeger" ? "Jaeger" : "Tempo")
  const passed = verified.every(({ checks }) => hasPassed(checks))
  const shown = chosen(verified)
  const report = TraceReport.toJson(verified, shown, { ...input, at: now })
  const folder = input.outdir === undefined
    ? undefined
    : yield* SnapshotFolder.write(input.outdir, report, TraceReport.filesOf(verified, shown, report))
  yield* input.json
    ? Output.printJson({ ...report, ...(folder === undefined ? {} : { snapshot: folder }) })
    : Output.print(TraceReport.told(verified, shown))
  if (folder !== undefined && !input.json) yield* Output.print(`snapshot: ${folder}`)
  if (!passed) return yield* failure("the trace is not what the contract promises")
})
