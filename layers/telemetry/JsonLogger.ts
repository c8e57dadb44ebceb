/** Log lines: one JSON object each on stdout, or coloured text for a person at a terminal. */
import { Cause, Context, Effect, Formatter, Layer, Logger, type LogLevel, References, Tracer } from "effect"
import { Settings } from "../../src/settings/Settings.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { safe } from "../../src/telemetry/SafeLogger.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { telemetryFailed } from "./TelemetryErrors.ts"

/** A line longer than this is cut at its longest member; collectors drop what is much longer. */
const textMax = 8_192

const text = (value: string) => value.length > textMax ? `${value.slice(0, textMax)}…` : value

/** The ids that lead from a log line to its trace: top-level, lower-case hex, as OpenTelemetry asks. */
const traceFields = (context: Context.Context<never>) => {
  const span = Context.getOrUndefined(context as Context.Context<Tracer.ParentSpan>, Tracer.ParentSpan)
  const carried = span === undefined ? undefined : Context.get(context, TraceCarrier).inject(span)
  if (span === undefined || carried === undefined) return {}
  const parent = span._tag === "Span" && span.parent._tag === "Some" ? span.parent.value.spanId : undefined
  return {
    trace_id: span.traceId,
    span_id: span.spanId,
    ...(parent === undefined ? {} : { parent_id: parent }),
    trace_flags: carried.traceparent.slice(-2),
    ...(carried.tracestate === null ? {} : { tracestate: carried.tracestate })
  }
}

const requestFields = (context: Context.Context<never>) => {
  const { requestId } = Context.get(context, CurrentRequest)
  return requestId === null ? {} : { request_id: requestId, x_request_id: requestId }
}

const messageFields = (message: unknown) => {
  const parts = Array.isArray(message) ? message : [message]
  const fields: Record<string, unknown> = {}
  const words: Array<string> = []
  for (const part of parts) {
    if (part instanceof Error) fields["error"] = text(part.stack ?? part.message)
    else if (Cause.isCause(part)) fields["error"] = text(Cause.pretty(part))
    else if (typeof part === "object" && part !== null) Object.assign(fields, part)
    else words.push(String(part))
  }
  return { words: text(words.join(" ")), fields }
}

/** JSON leaves them as they are, but some readers end a line at them, and some terminals take them for commands. */
const lineEnds = /[\u007f-\u009f\u2028\u2029]/g
const escaped = (found: string) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`

export const line = (serviceName: string) =>
  Logger.make<unknown, string>(({ cause, date, fiber, logLevel, message }) => {
    const { fields, words } = messageFields(message)
    return Formatter.formatJson({
      timestamp: date.toISOString(),
      level: logLevel.toLowerCase(),
      message: words,
      "service.name": serviceName,
      ...traceFields(fiber.context),
      ...requestFields(fiber.context),
      ...fiber.getRef(References.CurrentLogAnnotations),
      ...fields,
      ...(cause.reasons.length > 0 ? { error: text(Cause.pretty(cause)) } : {})
    }).replaceAll(lineEnds, escaped)
  })

const levels = { debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const satisfies Record<
  string,
  LogLevel.LogLevel
>

/** `toTerminal`: somebody is looking, so text is the better default. */
export const layer = (defaultName: string, toTerminal: boolean): Layer.Layer<never, never, Settings> =>
  Layer.unwrap(Effect.gen(function*() {
    const settings = yield* Settings
    const format = settings.logFormat ?? (settings.logJsonLines || !toTerminal ? "json" : "pretty")
    const json = Logger.map(line(settings.serviceName ?? defaultName), (one) => {
      process.stdout.write(`${one}\n`)
    })
    return Layer.mergeAll(
      Logger.layer([safe(format === "json" ? json : Logger.consolePretty(), telemetryFailed)]),
      Layer.succeed(References.MinimumLogLevel, levels[settings.logLevel])
    )
  }))
