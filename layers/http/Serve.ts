/** A node:http server with bounds on everything a client can make it hold. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { ByteSize, type Duration, Effect, Layer } from "effect"
import { HttpEffect, HttpIncomingMessage, HttpMiddleware, HttpRouter, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import { answerUnreadable } from "./Unreadable.ts"

/** Contract §3: larger bodies are refused before they are parsed. */
const bodyMax = ByteSize.kibibytes(256)

export interface ServeOptions {
  readonly host: string
  readonly port: number
  /** How long a stopping server lets requests finish. */
  readonly grace: Duration.Duration
  /** Done as soon as nobody new is let in: lets go of requests that would wait for something else. */
  readonly stopping?: Effect.Effect<void>
}

/** Serves `routes` until its scope closes; then no new connection, and those that are kept alive are told to go.
 * `listening` is built once the port answers. */
export const serve = <E, R, E2, R2>(
  routes: Layer.Layer<never, E, R>,
  listening: Layer.Layer<never, E2, R2>,
  options: ServeOptions
) => {
  const server = createServer({
    keepAliveTimeout: 5_000,
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 5_000,
    maxHeaderSize: 16_384
  })
  server.maxConnections = 10_000
  answerUnreadable(server)
  const closeWhileDraining = HttpRouter.middleware(
    (httpEffect) =>
      Effect.andThen(
        HttpEffect.appendPreResponseHandler((_request, response) =>
          Effect.succeed(server.listening ? response : HttpServerResponse.setHeader(response, "connection", "close"))
        ),
        httpEffect
      ),
    { global: true }
  )
  const served = HttpRouter.serve(Layer.mergeAll(routes, closeWhileDraining), {
    disableLogger: true,
    disableListenLog: true
  })
  // The server's own graceful stop waits without end: what a finalizer does cannot be interrupted unless it says so.
  const drained = Layer.effectDiscard(Effect.addFinalizer(() =>
    Effect.all([
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
      }),
      options.stopping ?? Effect.void
    ], { concurrency: "unbounded" }).pipe(
      Effect.interruptible,
      Effect.timeoutOption(options.grace),
      Effect.andThen(Effect.sync(() => server.closeAllConnections()))
    )
  ))
  return Layer.merge(listening, drained).pipe(
    Layer.provideMerge(served),
    Layer.provide(Layer.mergeAll(
      Layer.succeed(HttpIncomingMessage.MaxBodySize, bodyMax),
      // Our own server span (Edge) replaces the built-in one, which would lose tracestate and read B3.
      Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => true)
    )),
    Layer.provide(NodeHttpServer.layer(() => server, {
      host: options.host,
      port: options.port,
      disablePreemptiveShutdown: true
    }))
  )
}
