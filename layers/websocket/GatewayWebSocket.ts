/** The gateway's door for browsers and other clients: WebSocket connections, each with its sessions. */
import { Cause, Duration, Effect, FiberSet, Layer, Queue, Schedule, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { createServer, type IncomingMessage, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import { WebSocketServer } from "ws"
import * as Connection from "../../src/realtime/Connection.ts"
import { encode, frameMax } from "../../src/realtime/Frames.ts"
import { Logic } from "../../src/realtime/Logic.ts"
import { attendEvery } from "../../src/realtime/Presence.ts"
import { Rooms } from "../../src/realtime/Rooms.ts"
import { User } from "../../src/realtime/Session.ts"
import { formatAddress } from "../../src/settings/SettingKind.ts"
import * as Metrics from "../../src/telemetry/Metrics.ts"
import { type TraceBorder } from "../../src/telemetry/TraceBorder.ts"
import { closing, make as makeClient, type SocketClient } from "./SocketClient.ts"

export interface Options {
  readonly host: string
  readonly port: number
  readonly gatewayId: string
  /** How long a stopping gateway lets clients finish. */
  readonly grace: Duration.Duration
  /** A client that answers no ping until the next one is half open, and is let go. */
  readonly pingEvery?: Duration.Duration
}

const connectionsMax = 10_000
const usualPings = Duration.seconds(25)
const closeTimeoutMs = 5_000

const isUser = Schema.is(User)

const refuse = (socket: Duplex, status: string) => {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}

/** Whoever knocks hears that the door is open; whether the gateway is ready is said on its port for probes. */
const answerPlain = (server: Server) =>
  server.on("request", (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? ""
    const isHealth = request.method === "GET" && path === "/health"
    response.writeHead(isHealth ? 200 : 426, { "content-type": "application/json", "upgrade": "websocket" })
    response.end(isHealth ? "{\"status\":\"ok\"}" : "{\"title\":\"this port speaks WebSocket\"}")
  })

const listening = (server: Server, { host, port }: Options) =>
  Effect.callback<AddressInfo, Error>((resume) => {
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(port, host, () => resume(Effect.succeed(server.address() as AddressInfo)))
  })

const serveClient = Effect.fnUntraced(function*(client: SocketClient, gatewayId: string) {
  const connection = yield* Connection.make(client)
  client.deliver(encode({ type: "welcome", gateway_id: gatewayId, user: client.user, frame_max: frameMax }))
  const loop = Effect.gen(function*() {
    for (;;) {
      const goOn = yield* connection.handle(yield* Queue.take(client.inbox))
      client.handled()
      if (!goOn) client.end(closing.policy, "rate")
    }
  })
  yield* Metrics.realtimeConnections.move({}, 1)
  yield* Effect.raceFirst(loop, client.gone).pipe(
    Effect.ensuring(Effect.andThen(connection.close, Metrics.realtimeConnections.move({}, -1)))
  )
})

const pings = (clients: ReadonlySet<SocketClient>, every: Duration.Duration) =>
  Effect.sync(() => {
    for (const client of clients) {
      if (!client.isAlive) {
        client.end(closing.away, "silent")
        continue
      }
      client.isAlive = false
      client.socket.ping()
    }
  }).pipe(Effect.repeat(Schedule.spaced(every)), Effect.forkScoped)

/** No new connection; what was sent is answered; then everybody is told to come again, elsewhere. */
const drain = (server: Server, clients: ReadonlySet<SocketClient>, grace: Duration.Duration) =>
  Effect.gen(function*() {
    server.close()
    const isIdle = () => [...clients].every((client) => client.isIdle() || client.isGone())
    yield* Effect.sync(isIdle).pipe(
      Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: (idle) => idle }),
      Effect.interruptible,
      Effect.timeoutOption(grace)
    )
    for (const client of clients) client.end(closing.away, "draining")
    yield* Effect.forEach(clients, ({ gone }) => gone, { concurrency: "unbounded", discard: true }).pipe(
      Effect.interruptible,
      Effect.timeoutOption(Duration.millis(closeTimeoutMs))
    )
    for (const { socket } of clients) socket.terminate()
    server.closeAllConnections()
  })

const make = Effect.fnUntraced(function*(options: Options) {
  const { gatewayId, grace, pingEvery = usualPings } = options
  const random = yield* SecureRandom.SecureRandom
  const clients = new Set<SocketClient>()
  const run = yield* FiberSet.makeRuntime<Rooms | Logic | SecureRandom.SecureRandom | TraceBorder>()
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 10_000, maxHeaderSize: 16_384 })
  const sockets = new WebSocketServer({ noServer: true, maxPayload: frameMax, closeTimeout: closeTimeoutMs } as object)
  answerPlain(server)

  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy())
    const url = URL.parse(request.url ?? "/", "http://gateway")
    const user = url?.searchParams.get("user") ?? "anonymous"
    if (url === null || !["/", "/ws"].includes(url.pathname)) return refuse(socket, "404 Not Found")
    if (!isUser(user)) return refuse(socket, "400 Bad Request")
    if (clients.size >= connectionsMax) return refuse(socket, "503 Service Unavailable")
    sockets.handleUpgrade(request, socket, head, (opened) => {
      // What comes before somebody listens would be lost.
      opened.pause()
      run(
        Effect.gen(function*() {
          const client = yield* makeClient(opened, socket, yield* random.uuidV7(), user)
          clients.add(client)
          opened.resume()
          yield* Effect.ensuring(serveClient(client, gatewayId), Effect.sync(() => clients.delete(client)))
        }).pipe(
          Effect.catchCause((cause) =>
            Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("a connection broke", cause)
          )
        )
      )
    })
  })

  const address = yield* listening(server, options)
  yield* pings(clients, pingEvery)
  yield* Effect.addFinalizer(() => drain(server, clients, grace))
  return address
})

/** Says again and again that this gateway is there; when it stops, that it is not. */
export const attending = (gatewayId: string) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const rooms = yield* Rooms
    const logic = yield* Logic
    yield* rooms.attend.pipe(
      Effect.catchCause((cause) => Effect.logWarning("this gateway could not say that it is there", cause)),
      Effect.repeat(Schedule.spaced(attendEvery)),
      Effect.withTracerEnabled(false),
      Effect.forkScoped
    )
    yield* Effect.addFinalizer(() =>
      Effect.ignore(logic.retire(gatewayId)).pipe(Effect.interruptible, Effect.timeoutOption("2 seconds"))
    )
  }))

/** `onListening` gets the port that it found. */
export const layer = (options: Options, onListening: (url: string) => Effect.Effect<void>) =>
  Layer.effectDiscard(
    Effect.flatMap(make(options), ({ address: host, port }) => onListening(`ws://${formatAddress({ host, port })}`))
  )
