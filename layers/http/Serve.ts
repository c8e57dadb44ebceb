/** A node:http server with bounds on everything a client can make it hold. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { ByteSize, type Duration, Effect, Layer } from "effect"
import {
  HttpEffect,
  HttpIncomingMessage,
  HttpMiddleware,
  HttpRouter,
  type HttpServerRequest,
  HttpServerResponse
} from "effect/http"
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

/**
 * An answer that leaves a body unread can only keep the connection if the body soon ends. One with a length is known to
 * be short or is told to go by Node's layer; of one in chunks nobody knows, and after 256 KiB more the connection would
 * close under a client that was told it may go on.
 */
const leavesBody = (request: HttpServerRequest.HttpServerRequest): boolean =>
  request.headers["transfer-encoding"] !== undefined && !NodeHttpServerRequest.toIncomingMessage(request).complete

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
  const closing = HttpRouter.middleware(
    (httpEffect) =>
      Effect.andThen(
        HttpEffect.appendPreResponseHandler((request, response) =>
          Effect.succeed(
            server.listening && !leavesBody(request)
              ? response
              : HttpServerResponse.setHeader(response, "connection", "close")
          )
        ),
        httpEffect
      ),
    { global: true }
  )
  const served = HttpRouter.serve(Layer.mergeAll(routes, closing), {
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
