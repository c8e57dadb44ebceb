/** The probes. `/health` and `/health/live` never look at a dependency: a database hiccup must not restart a fleet. */
import { DateTime, Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { type CheckResult, Health } from "../../src/health/Health.ts"
import type { Route } from "./RouteTable.ts"

const now = Effect.map(DateTime.now, DateTime.formatIso)

const failed = (checks: Readonly<Record<string, CheckResult>>) =>
  Object.values(checks).some(({ status }) => status === "fail")

const live = Effect.map(now, (timestamp) => HttpServerResponse.jsonUnsafe({ status: "healthy", timestamp }))

const ready = Effect.gen(function*() {
  const checks = yield* (yield* Health).ready
  const healthy = !failed(checks)
  return HttpServerResponse.jsonUnsafe(
    { status: healthy ? "healthy" : "unhealthy", timestamp: yield* now, checks },
    { status: healthy ? 200 : 503 }
  )
})

const startup = Effect.gen(function*() {
  const checks = yield* (yield* Health).startup
  const started = !failed(checks)
  return HttpServerResponse.jsonUnsafe(
    { status: started ? "ready" : "starting", timestamp: yield* now, checks },
    { status: started ? 200 : 503 }
  )
})

export const routes: ReadonlyArray<Route> = [
  ["GET", "/health"],
  ["GET", "/health/live"],
  ["GET", "/health/ready"],
  ["GET", "/health/startup"]
]

export const layer = Layer.mergeAll(
  HttpRouter.add("GET", "/health", HttpServerResponse.jsonUnsafe({ status: "ok" })),
  HttpRouter.add("GET", "/health/live", live),
  HttpRouter.add("GET", "/health/ready", ready),
  HttpRouter.add("GET", "/health/startup", startup)
)

/** By these names a worker's port is asked, too; an API's paths are its contract, which has no others. */
export const short = Layer.mergeAll(HttpRouter.add("GET", "/healthz", live), HttpRouter.add("GET", "/readyz", ready))
