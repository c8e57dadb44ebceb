/**
 * The outermost layer of every request: its span, its id, its metrics and its log line; and one shape for every error.
 *
 * Whatever happens inside becomes an answer here, and nothing that only observes can change that answer.
 */
import { Cause, Clock, Context, Duration, Effect, Exit, Layer, References, type Tracer } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpEffect, HttpRouter, HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import { leaving } from "../../src/outbox/Leaving.ts"
import { CurrentRequest } from "../../src/telemetry/CurrentRequest.ts"
import { attribute as debugAttribute, DebugTrace } from "../../src/telemetry/DebugTrace.ts"
import { type Method, methodOf, type RouteTemplate, statusCodeOf } from "../../src/telemetry/HttpLabels.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { SpanError } from "../../src/telemetry/SpanFailure.ts"
import { withoutStack } from "../../src/telemetry/Spans.ts"
import { telemetryFailed } from "../../src/telemetry/TelemetryFailure.ts"
import { type Arrival, nothing, TraceBorder } from "../../src/telemetry/TraceBorder.ts"
import { TraceCarrier } from "../../src/telemetry/TraceCarrier.ts"
import { answerWithin, Deadline } from "./Deadline.ts"
import { problemResponse, withRequest } from "./ProblemResponse.ts"
import { callerOf, debugHeader, requestIdOf } from "./RequestContext.ts"
import type { RouteTable } from "./RouteTable.ts"
import { serverAttributes, spanName } from "./ServerAttributes.ts"

/** Probes, scrapes and the files of the console tell nothing: no span, no log line. */
const quiet = (path: string) =>
  path === "/metrics" || path === "/health" || path.startsWith("/health/") || path.startsWith("/console/")

interface Seen {
  readonly method: Method
  readonly path: string
  /** `undefined` for what is no route of ours: such paths must not become labels. */
  readonly route: RouteTemplate | undefined
  readonly startedAt: bigint
}

const sizeOf = (length: string | undefined) => length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : 0

const measure = Effect.fnUntraced(function*(
  seen: Seen,
  request: HttpServerRequest.HttpServerRequest,
  response: HttpServerResponse.HttpServerResponse
) {
  const labels = { method: seen.method, route: seen.route ?? "none" } as const
  const seconds = Number((yield* Clock.currentTimeNanos) - seen.startedAt) / 1e9
  const body = response.body
  const bytes = body._tag === "Uint8Array" ? body.contentLength : 0
  yield* Metrics.httpRequests.add({ ...labels, status_code: statusCodeOf(response.status) })
  yield* Metrics.httpDuration.observe(labels, seconds)
  yield* Metrics.httpRequestSize.observe(labels, sizeOf(request.headers["content-length"]))
  yield* Metrics.httpResponseSize.observe(labels, bytes)
  if (quiet(seen.path)) return
  yield* Effect.logInfo(`${seen.method} ${seen.route ?? seen.path} ${response.status}`, {
    method: seen.method,
    route: seen.route ?? "none",
    status: response.status,
    duration_ms: Math.round(seconds * 1e6) / 1e3
  })
})

const answer = <E, R>(
  httpEffect: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  table: RouteTable,
  request: HttpServerRequest.HttpServerRequest
) =>
  // The router runs a request uninterruptible up to its route.
  leaving(httpEffect).pipe(
    Effect.timeoutOrElse({
      duration: answerWithin,
      orElse: () => Effect.succeed(problemResponse(503, `no answer within ${Duration.format(answerWithin)}`))
    }),
    Effect.interruptible,
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : Effect.gen(function*() {
          const [response] = yield* HttpServerError.causeResponse(cause)
          if (response.status >= 500 && response.status !== 503) yield* Effect.logError("a request broke", cause)
          if (response.status !== 404 || response.body._tag !== "Empty") return response
          const allowed = table.allowed(request.url)
          // The router answers 404 too for a route that settings switched off.
          return allowed.length === 0 || allowed.includes(request.method)
            ? problemResponse(404, "there is no such route")
            : problemResponse(405, `this route has ${allowed.join(", ")}`, { allow: allowed.join(", ") })
        })
    )
  )

/** 5xx is the server's error; 4xx is the caller's and leaves the span's status alone. */
const finish = (span: Tracer.Span, status: number, endedAt: bigint) => {
  span.attribute("http.response.status_code", status)
  span.attribute("http.status_code", status)
  if (status < 500) return
  span.attribute("error.type", String(status))
  span.end(endedAt, Exit.fail(new SpanError(`HTTP ${status}`)))
}

const inServerSpan = <E, R>(
  seen: Seen,
  requestId: string,
  request: HttpServerRequest.HttpServerRequest,
  arrived: Effect.Effect<Arrival>,
  work: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
) =>
  Effect.gen(function*() {
    const carrier = yield* TraceCarrier
    const arrival = yield* arrived
    const parent = carrier.extract(arrival.parent)
    const link = carrier.extract(arrival.link)
    return yield* Effect.useSpan(
      spanName(seen),
      {
        kind: "server",
        ...(parent === undefined ? { root: true } : { parent }),
        links: link === undefined ? [] : [{ span: link, attributes: {} }],
        annotations: Context.make(DebugTrace, arrival.isDebug),
        attributes: {
          ...serverAttributes(request, { ...seen, requestId }),
          ...(arrival.isDebug ? { [debugAttribute]: true } : {})
        }
      },
      (span) =>
        Effect.gen(function*() {
          const response = yield* work
          const context = carrier.inject(span)
          const told = yield* withRequest(response, requestId, context === undefined ? undefined : span.traceId)
          yield* measure(seen, request, told).pipe(Effect.ignoreCause)
          finish(span, told.status, yield* Clock.currentTimeNanos)
          return context === undefined ? told : HttpServerResponse.setHeaders(told, {
            traceparent: context.traceparent,
            ...(arrival.verdict === undefined ? {} : { [debugHeader]: arrival.verdict })
          })
        }).pipe(Effect.withParentSpan(span, withoutStack))
    )
  })

/** A border that breaks lets the request in as one that said nothing. */
const arrivalOf = (border: TraceBorder["Service"], request: HttpServerRequest.HttpServerRequest) =>
  Effect.catchCause(
    Effect.suspend(() => border.arrive(callerOf(request))),
    (cause) => Effect.as(Effect.sync(() => telemetryFailed(Cause.squash(cause))), nothing)
  )

export const layer = (table: RouteTable) =>
  Layer.unwrap(Effect.gen(function*() {
    const random = yield* SecureRandom.SecureRandom
    const border = yield* TraceBorder
    return HttpRouter.middleware(
      (httpEffect) =>
        Effect.gen(function*() {
          const request = yield* HttpServerRequest.HttpServerRequest
          const path = request.url.split("?", 1)[0]!
          const fresh = yield* random.uuidV7()
          const requestId = requestIdOf(request.headers, () => fresh)
          const method = methodOf(request.method)
          const startedAt = yield* Clock.currentTimeNanos
          const seen: Seen = { method, path, route: table.template(request.method, request.url), startedAt }
          // Even an answer that is not ours, such as to a client that went away, carries the id.
          yield* HttpEffect.appendPreResponseHandler((_request, response) =>
            Effect.succeed(HttpServerResponse.setHeader(response, "x-request-id", requestId))
          )
          const arrived = (yield* References.TracerEnabled) && !quiet(path)
            ? arrivalOf(border, request)
            : Effect.succeed(nothing)
          const observed = inServerSpan(seen, requestId, request, arrived, answer(httpEffect, table, request))
          yield* Metrics.httpInFlight.move({}, 1)
          return yield* (quiet(path) ? Effect.withTracerEnabled(observed, false) : observed).pipe(
            Effect.provideService(CurrentRequest, { requestId, actor: "anonymous" }),
            Effect.provideService(Deadline, startedAt + Duration.toNanosUnsafe(answerWithin)),
            Effect.ensuring(Metrics.httpInFlight.move({}, -1))
          )
        }),
      { global: true }
    )
  }))
