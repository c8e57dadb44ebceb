/** `wordloom debug-token`: what a request shows in `x-wordloom-debug` to have its trace kept. Connects to nothing. */
import { Clock, DateTime, Duration, Effect, Result } from "effect"
import { keyedHash } from "../../../layers/telemetry/KeyedHash.ts"
import * as Kind from "../../../src/settings/SettingKind.ts"
import { read } from "../../../src/settings/Settings.ts"
import { longest, make } from "../../../src/telemetry/DebugToken.ts"
import { wrongUsage } from "./ExitCode.ts"
import * as Output from "./Output.ts"

const lifetime = Kind.duration(1_000, longest * 1_000)

export const run = Effect.fnUntraced(function*(
  { for: lasting, json }: { readonly for: string; readonly json: boolean }
) {
  const { traceSecret } = yield* Effect.fromResult(read(process.env))
  const length = Result.getOrUndefined(lifetime.parse(lasting))
  if (length === undefined) return yield* wrongUsage(`--for ${lasting}: a duration from 1s to 1h, such as 10m`)
  if (traceSecret === undefined) {
    return yield* wrongUsage("WORDLOOM_TRACE_SECRET is not set: a token is signed with the secret that the API has")
  }
  const until = Math.floor((yield* Clock.currentTimeMillis) / 1_000 + Duration.toSeconds(length))
  const token = make(keyedHash(traceSecret), until)
  const expires_at = DateTime.formatIso(DateTime.makeUnsafe(until * 1_000))
  yield* json ? Output.printJson({ token, header: "x-wordloom-debug", expires_at }) : Output.print(token)
})
