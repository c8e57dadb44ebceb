/** What a person opens in a browser: the console, and the API's documentation. */
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { WordloomApi } from "../../src/api/WordloomApi.ts"
import { LiveOverview } from "../../src/outbox/LiveOverview.ts"
import { Overview } from "../../src/outbox/OutboxOverview.ts"
import type * as Seen from "./console/Answers.ts"
import { drawn } from "./console/glance.js"
import { type ConsoleFile, files, overview, policy } from "./ConsoleFiles.ts"
import { markup } from "./Markup.ts"
import type { Route } from "./RouteTable.ts"

const headers = {
  "content-security-policy": policy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
}

/**
 * What is asked for by its digest is never asked for again; anything else each time, and answered without a body while
 * it is the same.
 */
const sent = ({ bytes, digest, type }: ConsoleFile) =>
  Effect.map(HttpServerRequest.HttpServerRequest, ({ headers: asked, url }) => {
    const etag = `"${digest}"`
    const caching = url.endsWith(`?${digest}`) ? "public, max-age=31536000, immutable" : "no-cache"
    const own = { ...headers, etag, "cache-control": caching }
    return asked["if-none-match"]?.split(/\s*,\s*/).includes(etag) === true
      ? HttpServerResponse.empty({ status: 304, headers: own })
      : HttpServerResponse.uint8Array(bytes, { contentType: type, headers: own })
  })

/** What stands in the overview's place until its figures are known; before and behind it, the rest of the page. */
const heading = "<h1>Wordloom</h1>"
const [beginning = "", end = ""] = Buffer.from(overview.bytes).toString("utf8").split(heading)

/** A page that waits any longer for its first figures is better shown without. */
const nowWithin = "500 millis"
const encode = Schema.encodeSync(Schema.toCodecJson(Overview))
const figuresOf = (seen: Overview) => {
  const now = encode(seen) as unknown as Seen.Overview
  return `<h1 tabindex="-1">Overview</h1>${markup(drawn({ link: "connecting", now, history: [now] }, () => {}))}`
}

/**
 * The overview's page is sent in three parts: its beginning at once, so that the browser gets ready meanwhile, its
 * first figures as soon as they are known, drawn, and the rest. Without them the script asks for its figures itself.
 */
const withNow = (now: LiveOverview["Service"]["now"]) => {
  const figures = now.pipe(
    Effect.map(figuresOf),
    Effect.timeoutOption(nowWithin),
    Effect.map(Option.getOrElse(() => heading)),
    Effect.catchCause(() => Effect.succeed(heading))
  )
  const body = Stream.succeed(beginning).pipe(
    Stream.concat(Stream.fromEffect(figures)),
    Stream.concat(Stream.succeed(end)),
    Stream.encodeText
  )
  return HttpServerResponse.stream(body, {
    contentType: overview.type,
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
  ...[overview, ...files].map(({ path }): Route => ["GET", path]),
  ["GET", "/docs"],
  ["GET", "/openapi.json"]
]

export const layer = Layer.unwrap(Effect.zipWith(docs, LiveOverview, (handler, { now }) =>
  Layer.mergeAll(
    HttpRouter.addAll([
      HttpRouter.route("GET", overview.path, Effect.sync(() => withNow(now))),
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
