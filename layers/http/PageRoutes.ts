/** What a person opens in a browser: the console, and the API's documentation. */
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { WordloomApi } from "../../src/api/WordloomApi.ts"
import { LiveOverview } from "../../src/outbox/LiveOverview.ts"
import { Overview } from "../../src/outbox/OutboxOverview.ts"
import { type ConsoleFile, read, readPage } from "./ConsoleFiles.ts"
import type { Route } from "./RouteTable.ts"

/** Nothing from elsewhere, and no script or style but the files that are served here. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types lit-html"
].join("; ")

const headers = {
  // Asked for each time, and answered without a body while it is the same.
  "cache-control": "no-cache",
  "content-security-policy": policy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
}

/** Each shows one page of the console; which one, the browser decides. */
const pages = ["/", "/outbox", "/dead", "/explain", "/search", "/chronicle"] as const

const sent = ({ bytes, etag, type }: ConsoleFile) =>
  Effect.map(
    HttpServerRequest.HttpServerRequest,
    ({ headers: asked }) =>
      asked["if-none-match"]?.split(/\s*,\s*/).includes(etag) === true
        ? HttpServerResponse.empty({ status: 304, headers: { ...headers, etag } })
        : HttpServerResponse.uint8Array(bytes, { contentType: type, headers: { ...headers, etag } })
  )

const files = read()
const page = readPage()

const [shell = "", end = ""] = Buffer.from(page.bytes).toString("utf8").split(/(?=<\/body>)/)

/** A page that waits any longer for its first figures is better shown without. */
const nowWithin = "500 millis"
const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(Overview)))
const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;" }
const inTemplate = (overview: Overview) =>
  `<template id="now">${encode(overview).replaceAll(/[&<]/g, (sign) => escapes[sign]!)}</template>\n`

/**
 * The overview's page is sent at once, so that the browser loads and begins its script, and its first figures behind
 * it. Without them it asks for its figures itself.
 */
const withNow = (now: LiveOverview["Service"]["now"]) => {
  const figures = now.pipe(
    Effect.map(inTemplate),
    Effect.timeoutOption(nowWithin),
    Effect.map(Option.getOrElse(() => "")),
    Effect.catchCause(() => Effect.succeed(""))
  )
  const body = Stream.succeed(shell).pipe(
    Stream.concat(Stream.fromEffect(figures)),
    Stream.concat(Stream.succeed(end)),
    Stream.encodeText
  )
  return HttpServerResponse.stream(body, {
    contentType: page.type,
    headers: { ...headers, "cache-control": "no-store" }
  })
}

/** The reader is three megabytes of script: it is loaded when somebody first asks for it, not at every start. */
const docs = Effect.cached(
  Effect.map(
    Effect.promise(() => import("effect/http-api/HttpApiScalar")),
    (HttpApiScalar) =>
      HttpRouter.toWebHandler(HttpApiScalar.layer(WordloomApi, { path: "/docs" }), { disableLogger: true }).handler
  )
)

export const routes: ReadonlyArray<Route> = [
  ...pages.map((path): Route => ["GET", path]),
  ...files.map(({ path }): Route => ["GET", path]),
  ["GET", "/docs"],
  ["GET", "/openapi.json"]
]

export const layer = Layer.unwrap(Effect.zipWith(docs, LiveOverview, (handler, { now }) =>
  Layer.mergeAll(
    HttpRouter.addAll([
      ...pages.map((path) =>
        HttpRouter.route("GET", path, path === "/" ? Effect.sync(() => withNow(now)) : sent(page))
      ),
      ...files.map((file) => HttpRouter.route("GET", file.path, sent(file)))
    ]),
    HttpRouter.add(
      "GET",
      "/docs",
      Effect.gen(function*() {
        const answer = yield* handler
        const request = yield* HttpServerRequest.HttpServerRequest
        const web = yield* HttpServerRequest.toWeb(request)
        return HttpServerResponse.fromWeb(yield* Effect.promise(() => answer(web)))
      })
    )
  )))
