/** How a stage's calls travel: over HTTP or in frames over TCP, with bounds on both ends. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { Duration, Effect, Layer } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { RpcClient, RpcSerialization, RpcServer } from "effect/rpc"
import type { SocketServer } from "effect/socket"
import { type Address, formatAddress } from "../../src/settings/SettingKind.ts"

/** A page of a hundred hits has some 200 KB; whoever sends more without an end does not speak with us. */
const frameMax = 4 * 1024 * 1024
const frames = Layer.succeed(
  RpcSerialization.RpcSerialization,
  RpcSerialization.makeNdjson({ maxBufferSize: frameMax })
)

/** Where an HTTP server answers stages. */
const path = "/stages"

/** A side that was unplugged says nothing: it is asked for a sign of life this often. */
const pingEvery = Duration.seconds(5)
const openWithin = Duration.seconds(2)

/** Also where HTTP itself has a place for it, so that a proxy in between can tell whose request it carries. */
const withCallHeaders = HttpClient.mapRequestEffect((request: HttpClientRequest.HttpClientRequest) =>
  Effect.map(RpcClient.CurrentHeaders, (headers) => HttpClientRequest.setHeaders(request, headers))
)

const httpClient = (address: Address) =>
  RpcClient.layerProtocolHttp({
    url: `http://${formatAddress(address)}${path}`,
    transformClient: (client) => withCallHeaders(client)
  }).pipe(
    Layer.provide(NodeHttpClient.layerNodeHttp),
    // Effect would read and send B3, and lose tracestate.
    Layer.provide(Layer.succeed(HttpClient.TracerPropagationEnabled, false)),
    Layer.provide(Layer.succeed(HttpClient.TracerDisabledWhen, () => true))
  )

const tcpClient = ({ host, port }: Address) =>
  RpcClient.layerProtocolSocket({ pingInterval: pingEvery }).pipe(
    Layer.provide(NodeSocket.layerNet({ host, port, openTimeout: openWithin, noDelay: true }))
  )

/** The way to whoever listens at `address`. */
export const clientOf = (wire: "http" | "tcp", address: Address) =>
  (wire === "http" ? httpClient(address) : tcpClient(address)).pipe(Layer.provide(frames))

/** Connections that are silent for a minute are asked whether they are still there. */
const aliveAfterMs = 60_000

const tcpServer = (
  address: Address
): Layer.Layer<SocketServer.SocketServer, SocketServer.SocketServerError> =>
  NodeSocketServer.layer({ ...address, noDelay: true, keepAlive: true, keepAliveInitialDelay: aliveAfterMs })

export const tcpProtocol = (address: Address) =>
  RpcServer.layerProtocolSocketServer.pipe(Layer.provide(tcpServer(address)), Layer.provide(frames))

export const httpProtocol = RpcServer.layerProtocolHttp({ path }).pipe(Layer.provide(frames))
