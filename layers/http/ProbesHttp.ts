/** Asks other programs over HTTP, and reads manifests: each within a bounded time and size, and never fails. */
import { Effect, FileSystem, Layer, Option } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { connect } from "node:net"
import { notHttp, Probes } from "../../src/doctor/SystemFacts.ts"

const within = "3 seconds"
const bodyMax = 4 * 1024 * 1024
const filesMax = 500
const manifest = /\.(ya?ml|json)$/

/** Of Node's `fetch`, whose answer was no HTTP/1.1; not each version gives it a code. */
const unparsable = "HTTPParserError"

const messageOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  if (inner instanceof Error && inner.name === unparsable) return notHttp
  return inner instanceof Error && inner.message !== "" ? inner.message.slice(0, 200) : "no answer"
}

const isTaken = (host: string, port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host, port })
    socket.once("connect", () => resume(Effect.succeed(true)))
    socket.once("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOption(within), Effect.map(Option.getOrElse(() => false)))

/** In YAML the probe's path follows within a few lines; in JSON the same words stand in the same order. */
const liveness = /livenessProbe\W[\s\S]{0,200}?\bpath"?:\s*"?([^\s",}]+)/g

const make = Effect.gen(function*() {
  const client = yield* HttpClient.HttpClient
  const files = yield* FileSystem.FileSystem

  const requestOf = (url: string, said: Parameters<Probes["Service"]["ask"]>[1]) => {
    const headers = HttpClientRequest.setHeaders(said?.headers ?? {})
    return said?.post === undefined
      ? headers(HttpClientRequest.get(url))
      : headers(HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(url), said.post))
  }

  const readProbes = (folder: string) => (file: string) =>
    Effect.map(
      Effect.orElseSucceed(files.readFileString(`${folder}/${file}`), () => ""),
      (text) => [...text.slice(0, bodyMax).matchAll(liveness)].map(([, path = ""]) => ({ file, path }))
    )

  return Probes.of({
    ask: (url, said) =>
      Effect.gen(function*() {
        const { headers, status, text } = yield* client.execute(requestOf(url, said))
        const body = (yield* text).slice(0, bodyMax)
        return { status, headers, body }
      }).pipe(
        Effect.timeoutOption(within),
        Effect.map(Option.getOrElse(() => `no answer in ${within}`)),
        Effect.catch((error) => Effect.succeed(messageOf(error))),
        Effect.withTracerEnabled(false)
      ),
    isTaken,
    livenessPaths: (folder) =>
      files.readDirectory(folder, { recursive: true }).pipe(
        Effect.flatMap((names) =>
          Effect.forEach(names.filter((name) => manifest.test(name)).slice(0, filesMax), readProbes(folder))
        ),
        Effect.map((found) => found.flat()),
        Effect.orElseSucceed(() => undefined)
      )
  })
})

export const layer = Layer.effect(Probes, make)
