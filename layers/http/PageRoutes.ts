/** What a person opens in a browser: the start page, and the API's documentation. */
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { readFile } from "node:fs/promises"
import { WordloomApi } from "../../src/api/WordloomApi.ts"
import type { Route } from "./RouteTable.ts"

const page = new URL("./page/index.html", import.meta.url)

const headers = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'unsafe-inline'",
    "style-src 'unsafe-inline'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; "),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer"
}

const start = Effect.promise(() => readFile(page, "utf8")).pipe(
  Effect.map((html) => HttpServerResponse.text(html, { contentType: "text/html; charset=utf-8", headers }))
)

/** The reader is three megabytes of script: it is loaded when somebody first asks for it, not at every start. */
const docs = Effect.cached(
  Effect.map(
    Effect.promise(() => import("effect/http-api/HttpApiScalar")),
    (HttpApiScalar) =>
      HttpRouter.toWebHandler(HttpApiScalar.layer(WordloomApi, { path: "/docs" }), { disableLogger: true }).handler
  )
)

export const routes: ReadonlyArray<Route> = [["GET", "/"], ["GET", "/docs"], ["GET", "/openapi.json"]]

export const layer = Layer.unwrap(Effect.map(docs, (handler) =>
  Layer.mergeAll(
    HttpRouter.add("GET", "/", start),
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
