/** The effective settings of a process, read once at its start; every mistake is reported at once. */
import { Context, Duration, Effect, Layer, Redacted, Result, Schema } from "effect"
import { attributesOf, formatAddress, formatDuration, isAddress } from "./SettingKind.ts"
import { type Setting, table } from "./SettingTable.ts"

type Table = typeof table
type Raw = { readonly [K in keyof Table]: Table[K] extends Setting<infer A> ? A : never }

export type Environment = Readonly<Record<string, string | undefined>>

/** One wrong setting: what it is called, what it holds (unless secret) and what is allowed. */
export interface Mistake {
  readonly name: string
  readonly value: string
  readonly allowed: string
}

export interface Effective {
  readonly name: string
  readonly value: string
  /** The environment variable that decided, or `default`. */
  readonly source: string
  readonly meaning: string
}

/** At least one setting is wrong; the message has a line for each. The process exits with 78 (EX_CONFIG). */
export class SettingsInvalid extends Schema.TaggedError<SettingsInvalid>("wordloom/settings/SettingsInvalid")(
  "SettingsInvalid",
  { mistakes: Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.String, allowed: Schema.String })) }
) {
  override readonly ["~effect/Runtime/errorExitCode"] = 78
  override get message() {
    return this.mistakes.map(({ allowed, name, value }) => `${name}=${value} is not allowed: ${allowed}`).join("\n")
  }
}

const lookUp = (env: Environment, names: ReadonlyArray<string>, takesNothing = false) => {
  const isSet = (text: string | undefined) => text !== undefined && (takesNothing || text.trim() !== "")
  const name = names.find((candidate) => isSet(env[candidate]))
  return name === undefined ? undefined : { name, text: env[name]!.trim() }
}

/** A message has one line for each mistake, whatever the value holds. */
export const onOneLine = (text: string) => text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, " ").slice(0, 80)

const readOne = <A>(env: Environment, spec: Setting<A>): Result.Result<A | NonNullable<A>, Mistake> => {
  const found = lookUp(env, spec.names, spec.kind.takesNothing)
  if (found === undefined) return Result.succeed(spec.fallback)
  return Result.mapError(spec.kind.parse(found.text), (allowed) => ({
    name: found.name,
    value: onOneLine(spec.kind.shown(found.text)),
    allowed
  }))
}

/** Whoever asks for JSON lines by S2's name and exports nothing follows a request by the ids in the lines. */
const tracingOf = (raw: Raw, decidedBy: string | undefined) => {
  if (raw.sdkDisabled) return "off"
  if (raw.tracing !== undefined) return raw.tracing
  if (raw.tracingEnabled === true) return "export"
  // The other two names switch off more than the export.
  const mayHaveIds = decidedBy === undefined || decidedBy === "OTEL_EXPORT_ENABLED"
  return raw.logJsonLines && mayHaveIds ? "local" : "off"
}

const derive = (raw: Raw, decidedBy: string | undefined) => ({
  ...raw,
  serviceName: raw.serviceName ?? attributesOf(raw.resourceAttributes)["service.name"],
  logFormat: raw.logFormat ?? (raw.logJsonLines ? "json" : undefined),
  metricsPort: raw.metricsPort ?? raw.httpPort,
  search: raw.search ?? (raw.elasticUrl === undefined ? "postgres" : "elasticsearch"),
  tracing: tracingOf(raw, decidedBy),
  otlpTracesEndpoint: raw.otlpTracesEndpoint ?? `${raw.otlpEndpoint}/v1/traces`,
  sampler: raw.sampler === "traceidratio" ? "parentbased_traceidratio" : raw.sampler
} as const)

export type SettingValues = ReturnType<typeof derive>

const together = (values: SettingValues): ReadonlyArray<Mistake> => [
  ...(values.search === "elasticsearch" && values.elasticUrl === undefined
    ? [{ name: "ELASTIC_URL", value: "", allowed: "must be set when WORDLOOM_SEARCH is elasticsearch" }]
    : []),
  // A row that is replayed would be told anew under another number.
  ...(Duration.isLessThan(values.realtimeRetention, values.retention)
    ? [{
      name: "REALTIME_RETENTION",
      value: formatDuration(values.realtimeRetention),
      allowed: "not shorter than OUTBOX_RETENTION"
    }]
    : [])
]

/** What a program cannot do without, beyond what is allowed to all. */
export type Demand = (values: SettingValues) => ReadonlyArray<Mistake>

export const read = (env: Environment, demand: Demand = () => []): Result.Result<SettingValues, SettingsInvalid> => {
  const raw: Record<string, unknown> = {}
  const mistakes: Array<Mistake> = []
  for (const [key, spec] of Object.entries(table)) {
    const result = readOne<unknown>(env, spec)
    raw[key] = Result.getOrElse(result, () => spec.fallback)
    if (Result.isFailure(result)) mistakes.push(result.failure)
  }
  const values = derive(raw as unknown as Raw, lookUp(env, table.tracingEnabled.names)?.name)
  const alone = new Set(mistakes.map(({ name }) => name))
  const all = [...mistakes, ...[...together(values), ...demand(values)].filter(({ name }) => !alone.has(name))]
  return all.length > 0 ? Result.fail(new SettingsInvalid({ mistakes: all })) : Result.succeed(values)
}

const print = (value: unknown): string =>
  value === undefined
    ? ""
    : Array.isArray(value)
    ? value.join(",")
    : Duration.isDuration(value)
    ? formatDuration(value)
    : typeof value === "string"
    ? value
    : isAddress(value)
    ? formatAddress(value)
    : JSON.stringify(value)

/** The name of the setting that says what tracing does. */
export const tracingDecidedBy = (env: Environment, { sdkDisabled, tracing }: SettingValues): string => {
  if (sdkDisabled) return table.sdkDisabled.names[0]
  const said = lookUp(env, table.tracing.names)
  if (said === undefined && tracing === "local") return table.logJsonLines.names[0]
  return said?.name ?? lookUp(env, table.tracingEnabled.names)?.name ?? "default"
}

/** What `wordloom config` prints: every effective value, what decided it, and no secret. */
export const describe = (env: Environment): ReadonlyArray<Effective> => {
  const values = Result.getOrUndefined(read(env)) as Record<string, unknown> | undefined
  return Object.entries(table).map(([key, spec]) => {
    const found = lookUp(env, spec.names, spec.kind.takesNothing)
    const effective = values?.[key] ?? spec.fallback
    // A secret or damaged value has no text of its own; any other is shown as it works, as other settings may decide.
    const asGiven = found !== undefined && (values === undefined || Redacted.isRedacted(effective))
    const text = asGiven ? found.text : print(effective)
    const value = text === "" ? "" : spec.kind.shown(text)
    const decidedElsewhere = found === undefined && value !== print(spec.fallback)
    const decider = spec === table.tracing && values !== undefined
      ? tracingDecidedBy(env, values as unknown as SettingValues)
      : found?.name ?? (decidedElsewhere ? "other settings" : "default")
    return {
      name: spec.names[0],
      value,
      source: decider,
      meaning: spec.meaning
    }
  })
}

/** What is allowed but probably not meant; logged at the start. */
export const notices = (env: Environment, values: SettingValues): ReadonlyArray<string> => {
  const switches = table.tracingEnabled.names.flatMap((name) => lookUp(env, [name]) ?? [])
  const said = new Set(switches.map(({ text }) => Result.getOrUndefined(table.tracingEnabled.kind.parse(text))))
  const names = switches.map(({ name }) => name)
  return [
    ...(said.size > 1 ? [`${names.join(", ")} contradict each other: ${names[0]} decides`] : []),
    ...(values.tracing === "export" && URL.parse(values.otlpTracesEndpoint)?.port === "4317"
      ? [`${values.otlpTracesEndpoint}: port 4317 usually speaks gRPC, this exporter speaks HTTP (4318)`]
      : []),
    ...(lookUp(env, table.sampler.names)?.text.toLowerCase() === "traceidratio"
      ? ["OTEL_TRACES_SAMPLER=traceidratio is treated as parentbased_traceidratio, so that no trace is cut in two"]
      : [])
  ]
}

export class Settings extends Context.Service<Settings, SettingValues>()("wordloom/settings/Settings") {
  static readonly layer = (env: Environment, demand?: Demand) =>
    Layer.effect(Settings, Effect.fromResult(read(env, demand)))
}
