/** A log line is one JSON object on one line, whatever is logged, with the ids that lead on from it. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer, Logger, Redacted, References, Result } from "effect"
import * as JsonLogger from "../../layers/telemetry/JsonLogger.ts"
import * as TracerProvider from "../../layers/telemetry/TracerProvider.ts"
import { read } from "../../src/settings/Settings.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { safe } from "../../src/telemetry/SafeLogger.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"

const tracing = TracerProvider.layer(Result.getOrThrow(read({ WORDLOOM_TRACING: "local" })), "test")

const from = JsonLogger.sourceOf({ serviceName: undefined, environment: "staging" }, "wordloom-test")

/** The lines that `effect` logs, and the objects in them. */
const logged = <A>(effect: Effect.Effect<A>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const logger = Logger.map(JsonLogger.line(from), (one) => void lines.push(one))
    yield* effect.pipe(
      Effect.provide(
        Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Trace"), tracing)
      )
    )
    return lines.map((text) => ({ text, line: JSON.parse(text) as Record<string, any> }))
  })

const one = <A>(effect: Effect.Effect<A>) =>
  Effect.map(logged(effect), (all) => {
    assert.strictEqual(all.length, 1)
    return all[0]!
  })

describe("a log line", () => {
  it.effect("has the time, the level, the message, the service and the environment", () =>
    Effect.gen(function*() {
      const { line, text } = yield* one(Effect.logWarning("watch out", { rows: 3 }))
      const { timestamp: _timestamp, ...rest } = line
      assert.deepStrictEqual(rest, {
        level: "warn",
        message: "watch out",
        "service.name": "wordloom-test",
        "deployment.environment.name": "staging",
        rows: 3
      })
      assert.match(line["timestamp"], /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)
      assert.notInclude(text, "\n")
    }))

  it.effect("names levels in lower case", () =>
    Effect.gen(function*() {
      const all = yield* logged(
        Effect.all([
          Effect.logTrace("a"),
          Effect.logDebug("b"),
          Effect.logInfo("c"),
          Effect.logError("d"),
          Effect.logFatal("e")
        ])
      )
      assert.deepStrictEqual(all.map(({ line }) => line["level"]), ["trace", "debug", "info", "error", "fatal"])
    }))

  it.effect("leads to its span, its parent and its request", () =>
    Effect.gen(function*() {
      const carrier = yield* Effect.provide(TraceCarrier, tracing)
      const parent = carrier.extract({
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        tracestate: "vendor=1"
      })!
      const { line } = yield* one(
        Effect.logInfo("inside").pipe(
          Effect.withSpan("inner"),
          Effect.withSpan("outer", { parent }),
          Effect.provideService(CurrentRequest, { requestId: "r-1", actor: "anonymous" })
        )
      )
      assert.strictEqual(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736")
      assert.match(line["span_id"], /^[0-9a-f]{16}$/)
      assert.match(line["parent_id"], /^[0-9a-f]{16}$/)
      assert.notStrictEqual(line["span_id"], line["parent_id"])
      assert.deepInclude(line, { trace_flags: "01", tracestate: "vendor=1", request_id: "r-1", x_request_id: "r-1" })
    }))

  it.effect("leaves what it always says to itself, and keeps an event's own beside it", () =>
    Effect.gen(function*() {
      const always = [
        "timestamp",
        "level",
        "message",
        "service.name",
        "deployment.environment.name",
        "trace_id",
        "span_id",
        "parent_id",
        "trace_flags"
      ]
      const own = Object.fromEntries(
        [...always, "tracestate", "request_id", "x_request_id"].map((field) => [field, "the event's"])
      )
      for (const withSpan of [true, false]) {
        const { line } = yield* one(
          Effect.logInfo("inside", own).pipe(
            withSpan ? Effect.withSpan("inner") : (effect) => effect,
            Effect.provideService(CurrentRequest, { requestId: "r-1", actor: "anonymous" })
          )
        )
        for (const field of Object.keys(own)) {
          assert.notStrictEqual(line[field], "the event's", field)
          assert.strictEqual(line[`event.${field}`], "the event's", field)
        }
      }
    }))

  it.effect("has no ids where there is no span, or one that is a placeholder", () =>
    Effect.gen(function*() {
      const bare = yield* one(Effect.logInfo("bare"))
      const disabled = yield* one(
        Effect.logInfo("disabled").pipe(Effect.withSpan("off"), Effect.withTracerEnabled(false))
      )
      for (const { line, text } of [bare, disabled]) {
        for (
          const field of ["trace_id", "span_id", "parent_id", "trace_flags", "tracestate", "request_id", "x_request_id"]
        ) {
          assert.notProperty(line, field)
        }
        assert.notInclude(text, "noop")
      }
    }))

  it.effect("says why something failed", () =>
    Effect.gen(function*() {
      const error = new Error("broken")
      for (
        const effect of [
          Effect.logError("it broke", error),
          Effect.logError("it broke", Cause.fail(error)),
          Effect.logError("it broke", Cause.die(error))
        ]
      ) {
        const { line, text } = yield* one(effect)
        assert.strictEqual(line["message"], "it broke")
        assert.match(line["error"], /broken/)
        assert.notInclude(text, "\n")
      }
    }))

  const hostile: ReadonlyArray<readonly [what: string, text: string]> = [
    ["line breaks", "a\nb\r\nc\u000bd\u000ce"],
    ["a forged line", "\n{\"level\":\"error\",\"message\":\"forged\"}\n"],
    ["ANSI colours", "\u001b[31mred\u001b[0m \u009b31mred"],
    ["Unicode's line breaks", "a\u2028b\u2029c\u0085d"],
    ["NUL and its like", "\u0000\u0001\u0007\u007f"],
    ["half a surrogate pair", "\ud800 \udfff"],
    ["quotes and backslashes", "\" \\ \\\" \\n"],
    ["a megabyte", "x".repeat(1_000_000)],
    ["a megabyte of pairs", "🧵".repeat(250_000)]
  ]
  // What some reader takes for the end of a line, or a terminal for a command.
  const control = /[\p{Cc}\u2028\u2029]/u

  for (const [what, text] of hostile) {
    it.effect(`stays one line with ${what}, wherever it is`, () =>
      Effect.gen(function*() {
        for (
          const effect of [
            Effect.logInfo(text),
            Effect.logInfo("field", { value: text }),
            Effect.logInfo("key", { [text.slice(0, 100)]: 1 }),
            Effect.logInfo("nested", { value: { list: [text] } }),
            Effect.logInfo("annotated").pipe(Effect.annotateLogs("value", text)),
            Effect.logError("failed", new Error(text))
          ]
        ) {
          const found = yield* one(effect)
          assert.notMatch(found.text, control)
          assert.strictEqual(found.line["service.name"], "wordloom-test")
          assert.strictEqual(found.line["level"] === "info" || found.line["message"] === "failed", true)
        }
      }))
  }

  it.effect("keeps short text as it is, and cuts long messages and errors", () =>
    Effect.gen(function*() {
      const short = `${"é".repeat(100)}\n\u001b🧵`
      assert.strictEqual((yield* one(Effect.logInfo(short))).line["message"], short)
      const long = yield* one(Effect.logError("x".repeat(100_000), new Error("y".repeat(100_000))))
      assert.isBelow(long.text.length, 20_000)
      assert.match(long.line["message"], /x…$/)
    }))

  it.effect("tells values that JSON has no words for", () =>
    Effect.gen(function*() {
      const cycle: Record<string, unknown> = { name: "cycle" }
      cycle["self"] = cycle
      const { line } = yield* one(Effect.logInfo("values", {
        big: 2n ** 70n,
        cycle,
        missing: undefined,
        nothing: null,
        notNumber: Number.NaN,
        when: new Date(0),
        set: new Set([1]),
        call: () => 1,
        symbol: Symbol("s")
      }))
      assert.match(String(line["big"]), /^1180591620717411303424n?$/)
      assert.strictEqual(line["cycle"].name, "cycle")
      assert.strictEqual(line["nothing"], null)
      assert.strictEqual(line["when"], "1970-01-01T00:00:00.000Z")
      assert.strictEqual((yield* one(Effect.logInfo(2n ** 70n))).line["message"], "1180591620717411303424")
    }))

  it.effect("never shows a secret", () =>
    Effect.gen(function*() {
      const secret = Redacted.make("hunter2")
      for (
        const effect of [
          Effect.logInfo("field", { secret }),
          Effect.logInfo("nested", { settings: { list: [secret] } }),
          Effect.logInfo("itself", secret),
          Effect.logInfo(secret),
          Effect.logInfo("annotated").pipe(Effect.annotateLogs("secret", secret))
        ]
      ) {
        assert.notInclude((yield* one(effect)).text, "hunter2")
      }
    }))

  it.effect("hurts nobody when a value cannot be told", () =>
    Effect.gen(function*() {
      const bad = [
        {
          toJSON: () => {
            throw new Error("no JSON")
          }
        },
        {
          get value(): string {
            throw new Error("no value")
          }
        },
        new Proxy({}, {
          ownKeys: () => {
            throw new Error("no keys")
          }
        }),
        {
          [Symbol.toPrimitive]: () => {
            throw new Error("no text")
          }
        }
      ]
      let failures = 0
      for (const value of bad) {
        const answer = yield* Effect.as(Effect.logInfo("odd", { value }, value), "the work went on").pipe(
          Effect.provide(Logger.layer([safe(JsonLogger.line(from), () => void failures++)]))
        )
        assert.strictEqual(answer, "the work went on")
      }
      assert.isAbove(failures, 0)
    }))
})
