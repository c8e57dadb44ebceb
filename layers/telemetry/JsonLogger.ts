/** Log lines: one JSON object each on stdout, or coloured text for a person at a terminal. */
import {
  Cause,
  Clock,
  Console,
  Context,
  DateTime,
  Effect,
  Formatter,
  Layer,
  Logger,
  type LogLevel,
  References,
  Tracer
} from "effect"
import { Console as NodeConsole } from "node:console"
import { Writable } from "node:stream"
import { excerpt } from "../../src/domain/Text.ts"
import { Settings, type SettingValues } from "../../src/settings/Settings.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { safe } from "../../src/telemetry/SafeLogger.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import * as LogLevels from "./LogLevels.ts"
import * as LogSink from "./LogSink.ts"
import { telemetryFailed, tellOfFailures } from "./TelemetryErrors.ts"

/** Collectors drop what is much longer. */
const textMax = 8_192
const lineMax = 32_768
/** Of each field of a line that would be longer. */
const shortMax = 512

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

/** What a line always says is said by the logger alone; an event's own field of that name is kept beside it. */
const taken = new Set([
  "timestamp",
  "level",
  "message",
  "service.name",
  "deployment.environment.name",
  "trace_id",
  "span_id",
  "parent_id",
  "trace_flags",
  "tracestate",
  "request_id",
  "x_request_id"
])

const ownFields = (fields: Readonly<Record<string, unknown>>) =>
  Object.keys(fields).some((name) => taken.has(name))
    ? Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [taken.has(name) ? `event.${name}` : name, value])
    )
    : fields

const onOneLine = (fields: object) => Formatter.formatJson(fields).replaceAll(lineEnds, escaped)

/** A long line is one with long fields, so each of them is cut, and of very many some are left out. */
const shortened = (fields: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(fields).slice(0, lineMax / shortMax / 2).map(([name, value]) => {
      const told = typeof value === "string" ? value : Formatter.formatJson(value)
      return [excerpt(name, 64), told.length > shortMax ? `${told.slice(0, shortMax)}…` : value]
    })
  )

/** Whose lines they are, as each of them says. */
export const sourceOf = (
  { environment, serviceName }: Pick<SettingValues, "environment" | "serviceName">,
  defaultName: string
) => ({ "service.name": serviceName ?? defaultName, "deployment.environment.name": environment })

type Source = ReturnType<typeof sourceOf>

export const line = (source: Source) =>
  Logger.make<unknown, string>(({ cause, date, fiber, logLevel, message }) => {
    const { fields, words } = messageFields(message)
    const always = {
      timestamp: date.toISOString(),
      level: logLevel.toLowerCase(),
      message: words,
      ...source,
      ...traceFields(fiber.context),
      ...requestFields(fiber.context)
    }
    const own = {
      ...ownFields({ ...fiber.getRef(References.CurrentLogAnnotations), ...fields }),
      ...(cause.reasons.length > 0 ? { error: text(Cause.pretty(cause)) } : {})
    }
    const whole = onOneLine({ ...always, ...own })
    return whole.length <= lineMax ? whole : onOneLine({ ...always, ...shortened(own), shortened: true })
  })

const levels = { debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const satisfies Record<
  string,
  LogLevel.LogLevel
>

/** How long a stopping process waits for whoever reads its log. */
const drainedWithin = "1 second"

const lostLine = (source: Source, clock: Clock.Clock) => (lines: number) =>
  onOneLine({
    timestamp: DateTime.formatIso(DateTime.makeUnsafe(clock.currentTimeMillisUnsafe())),
    level: "warn",
    message: "log lines were lost, since standard output did not take them",
    ...source,
    lines
  })

const standardSink = (source: Source) =>
  Effect.acquireRelease(
    Effect.map(Clock.Clock, (clock) => {
      const sink = LogSink.make(LogSink.standardOutput(), lostLine(source, clock))
      process.on("exit", sink.flush)
      return sink
    }),
    ({ drained, flush }) =>
      drained.pipe(
        Effect.interruptible,
        Effect.timeoutOption(drainedWithin),
        Effect.andThen(Effect.sync(() => process.removeListener("exit", flush))),
        Effect.andThen(Effect.sync(flush))
      )
  )

/** What is printed for a person goes the same way as what is printed for a machine. */
const consoleOf = ({ write }: LogSink.LogSink) =>
  new NodeConsole(
    new Writable({
      decodeStrings: false,
      write: (chunk: string, _encoding, done) => {
        write(chunk.replace(/\n$/, ""))
        done()
      }
    })
  )

const shown = (levels: LogLevels.LogLevels, logger: Logger.Logger<unknown, unknown>) =>
  Logger.make<unknown, void>((options) => {
    if (levels.isShown(options.logLevel)) logger.log(options)
  })

/** `toTerminal`: somebody is looking, so text is the better default. */
export const layer = (defaultName: string, toTerminal: boolean): Layer.Layer<never, never, Settings> =>
  Layer.unwrap(Effect.gen(function*() {
    tellOfFailures()
    const settings = yield* Settings
    const source = sourceOf(settings, defaultName)
    const format = settings.logFormat ?? (toTerminal ? "pretty" : "json")
    const sink = yield* standardSink(source)
    const to = LogLevels.make(levels[settings.logLevel])
    const json = Logger.map(line(source), sink.write)
    const logger = safe(shown(to, format === "json" ? json : Logger.consolePretty()), telemetryFailed)
    const logging = Layer.mergeAll(
      Logger.layer([logger]),
      // The fibers tell everything, and the logger leaves out what is not to be shown now.
      Layer.succeed(References.MinimumLogLevel, "Debug"),
      format === "json" ? Layer.empty : Layer.succeed(Console.Console, consoleOf(sink))
    )
    const run = Effect.runForkWith(yield* Layer.build(logging))
    yield* LogLevels.onSignal(to, (level) => {
      run(Effect.logInfo(`SIGUSR2: what is logged from now on is ${level.toLowerCase()} and more important`))
    })
    return logging
  }))
