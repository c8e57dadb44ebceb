/** What the commands that need a database stand on. Their log goes to stderr, since stdout is for the answer. */
import { Effect, Layer, Logger, References } from "effect"
import { SecureRandom } from "effect/crypto"
import * as JsonLogger from "../../../layers/telemetry/JsonLogger.ts"
import { Settings } from "../../../src/settings/Settings.ts"
import * as Database from "../Database.ts"
import * as Notices from "../Notices.ts"

export const serviceName = "wordloom-cli"

const toStderr = (line: string) => {
  process.stderr.write(`${line}\n`)
}

const plain = Logger.make<unknown, string>(({ logLevel, message }) => {
  const parts = Array.isArray(message) ? message : [message]
  return `${logLevel.toLowerCase()}: ${parts.filter((part) => typeof part !== "object").join(" ")}`
})

/** A command tells by itself what it does; of the log only warnings are left, unless more is asked for. */
const logger = Layer.unwrap(Effect.map(Settings, (settings) => {
  const { logFormat, logLevel } = settings
  const json = logFormat === "json" || logLevel === "debug"
  const line = json ? JsonLogger.line(JsonLogger.sourceOf(settings, serviceName)) : plain
  return Layer.mergeAll(
    Logger.layer([Logger.map(line, toStderr)]),
    Layer.succeed(References.MinimumLogLevel, logLevel === "debug" ? "Debug" : logLevel === "error" ? "Error" : "Warn")
  )
}))

const settled = Layer.mergeAll(Notices.layer, SecureRandom.layerWebCrypto).pipe(
  Layer.provideMerge(logger),
  Layer.provideMerge(Settings.layer(process.env))
)

export const layer = Database.layer(serviceName).pipe(Layer.provideMerge(settled))

/** For who only looks or steers: a database of an earlier version is left as it is. */
export const layerKept = Database.layerKept(serviceName).pipe(Layer.provideMerge(settled))

/** With the schema as it is. */
export const layerAsIs = Database.layerAsIs(serviceName).pipe(Layer.provideMerge(settled))
