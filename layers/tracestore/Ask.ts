/** Questions to a trace store's HTTP API: bounded in time and in size, answered in JSON or with a clear error. */
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { FetchHttpClient, HttpClient, type HttpClientError, type HttpClientResponse } from "effect/http"
import { TraceStore, TraceStoreUnavailable } from "../../src/trace/TraceStore.ts"

interface Store {
  readonly name: string
  readonly base: URL
  readonly headers: Readonly<Record<string, string>>
}

/** A trace of ten thousand spans is about ten megabytes in Jaeger's JSON. */
const bytesMax = 64 * 1024 * 1024
const answerWithin = "15 seconds"

/** Without user, password and query: they may hold secrets. */
const shown = ({ host, pathname, protocol }: URL) => `${protocol}//${host}${pathname}`

const unavailable = (store: Store, url: URL, reason: string, hint = "") =>
  new TraceStoreUnavailable({ store: store.name, url: shown(url), reason, hint })

const decode = <S extends Schema.Constraint>(schema: S, store: Store, url: URL) => (document: unknown) =>
  Effect.mapError(
    Schema.decodeUnknownEffect(schema)(document),
    ({ message }) => unavailable(store, url, `the answer is not ${store.name}'s: ${message.split("\n", 1)[0]}`)
  )

/** `http://host:port` means its `/api`, where both Jaeger and Tempo answer. A user in it is sent as a header. */
const storeAt = (name: string, baseUrl: URL): Store => {
  const base = new URL(baseUrl)
  base.pathname = base.pathname.replace(/\/+$/, "") || "/api"
  const user = `${decodeURIComponent(base.username)}:${decodeURIComponent(base.password)}`
  base.username = ""
  base.password = ""
  const authorization = user === ":" ? {} : { authorization: `Basic ${Buffer.from(user).toString("base64")}` }
  return { name, base, headers: { accept: "application/json", ...authorization } }
}

const urlOf = ({ base }: Store, path: string, query: Readonly<Record<string, string>> = {}): URL => {
  const url = new URL(base)
  url.pathname = `${base.pathname}/${path}`
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value)
  return url
}

const textOf = (response: HttpClientResponse.HttpClientResponse, tooLarge: () => TraceStoreUnavailable) =>
  Effect.gen(function*() {
    if (Number(response.headers["content-length"] ?? 0) > bytesMax) return yield* tooLarge()
    const chunks: Array<Uint8Array> = []
    let size = 0
    yield* Stream.runForEach(response.stream, (chunk) => {
      size += chunk.byteLength
      chunks.push(chunk)
      return size > bytesMax ? Effect.fail(tooLarge()) : Effect.void
    })
    return Buffer.concat(chunks).toString("utf8")
  })

const deepest = (cause: unknown): string =>
  cause instanceof Error
    ? cause.cause === undefined ? cause.message || cause.name : deepest(cause.cause)
    : String(cause)

const because = (error: HttpClientError.HttpClientError) => {
  const { reason } = error
  return "cause" in reason && reason.cause !== undefined ? deepest(reason.cause) : error.message
}

const isHtml = (text: string) => /^\s*</.test(text)

/** `none` for 404: the store answers so for a trace that it does not have. */
const ask = Effect.fnUntraced(function*(store: Store, url: URL) {
  const client = yield* HttpClient.HttpClient
  const failed = (reason: string, hint?: string) => unavailable(store, url, reason, hint)
  const answer = Effect.gen(function*() {
    const response = yield* client.get(url, { headers: store.headers })
    const text = yield* textOf(
      response,
      () => failed(`an answer of more than ${bytesMax / 1024 / 1024} MiB`, "use --limit or --trace-id")
    )
    return { status: response.status, text }
  })
  const { status, text } = yield* answer.pipe(
    Effect.withTracerEnabled(false),
    Effect.catchTag(
      "HttpClientError",
      (error) => Effect.fail(failed(because(error), "is it running, and --base-url right?"))
    ),
    Effect.timeoutOrElse({
      duration: answerWithin,
      orElse: () => Effect.fail(failed(`no answer in ${answerWithin}`))
    })
  )
  if (status === 404 && !isHtml(text)) return Option.none<unknown>()
  if (status >= 400) return yield* failed(`HTTP ${status} ${text.replaceAll(/\s+/g, " ").slice(0, 200)}`)
  return Option.some(
    yield* Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: () => failed("the answer is no JSON", "--base-url is the query API's, such as http://localhost:16686/api")
    })
  )
})

type Query = Readonly<Record<string, string>>

/** What a store says, as it was read and as it said it. */
interface Told<A> {
  readonly answer: A
  readonly document: unknown
}

export interface Asking {
  /** `none` when there is no such thing. */
  readonly find: <A>(
    schema: Schema.ConstraintDecoder<A>,
    path: string,
    query?: Query
  ) => Effect.Effect<Option.Option<Told<A>>, TraceStoreUnavailable>
  /** What every such store has: one without it is another's. */
  readonly need: <A>(schema: Schema.ConstraintDecoder<A>, path: string) => Effect.Effect<A, TraceStoreUnavailable>
}

const asking = (store: Store, client: HttpClient.HttpClient): Asking => {
  const asked = (url: URL) => Effect.provideService(ask(store, url), HttpClient.HttpClient, client)
  return {
    find: Effect.fnUntraced(function*(schema, path, query) {
      const url = urlOf(store, path, query)
      const document = yield* asked(url)
      if (Option.isNone(document)) return Option.none()
      const answer = yield* decode(schema, store, url)(document.value)
      return Option.some({ answer, document: document.value })
    }),
    need: (schema, path) => {
      const url = urlOf(store, path)
      return Effect.flatMap(asked(url), (document) => decode(schema, store, url)(Option.getOrNull(document)))
    }
  }
}

/** A store at an address, which may be that of its server alone. */
export const layerOf = (name: string, baseUrl: URL, made: (asking: Asking) => Omit<TraceStore["Service"], "store">) =>
  Layer.effect(
    TraceStore,
    Effect.map(HttpClient.HttpClient, (client) => {
      const store = storeAt(name, baseUrl)
      return TraceStore.of({ store: store.name, ...made(asking(store, client)) })
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))
