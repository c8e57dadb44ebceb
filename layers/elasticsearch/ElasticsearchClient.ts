/** The way to Elasticsearch: one request, one answer or one classified refusal, with the trace in its headers. */
import { Client } from "@elastic/elasticsearch"
import { Clock, Context, Data, Duration, Effect, Layer, Option, Redacted, Schema } from "effect"
import type { EngineCall } from "../../src/delivery/EngineCall.ts"
import { withoutStack } from "../../src/telemetry/Spans.ts"
import { outbound } from "../../src/telemetry/TraceCarrier.ts"
import { type Refusal, refusalOf, refusalOfDocuments, unreadable } from "./ElasticsearchErrors.ts"

export interface Options {
  /** `http://host:9200`; a user and password in it are used. */
  readonly url: string
  /** The name that searches and writes use: an alias, never an index. */
  readonly index: string
  readonly apiKey?: Redacted.Redacted | undefined
}

export interface Request {
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: object
  /** In place of `body`: lines of JSON, each with its line end. */
  readonly lines?: string
  readonly timeout: Duration.Input
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** Elasticsearch refused, or did not answer in time. */
export class RequestFailed extends Data.TaggedError("RequestFailed")<Refusal> {
  override get message() {
    return this.failure.detail
  }
}

/** What the client threw, before anybody has said what it means. */
class Unanswered extends Data.TaggedError("Unanswered")<{ readonly cause: unknown }> {}

/** What `read` finds in the answer; a refusal where it finds that this is none. */
export const readable = <A>(
  answer: Answer,
  read: (body: unknown) => A | undefined
): Effect.Effect<A, RequestFailed> => {
  const value = read(answer.body)
  return value === undefined
    ? Effect.fail(new RequestFailed(unreadable(answer.status, "the answer has another shape than was asked for")))
    : Effect.succeed(value)
}

export const readAs = <A>(schema: Schema.Decoder<A>) => {
  const decode = Schema.decodeUnknownOption(schema)
  return (answer: Answer) => readable(answer, (body) => Option.getOrUndefined(decode(body)))
}

export class ElasticsearchClient extends Context.Service<ElasticsearchClient, {
  readonly index: string
  /** What every span of a request says of it and of the far side. */
  readonly attributesOf: (request: Pick<Request, "method" | "path">) => EngineCall["attributes"]
  /** Never retried here: the outbox knows better when. */
  readonly request: (request: Request) => Effect.Effect<Answer, RequestFailed>
}>()("wordloom/elasticsearch/ElasticsearchClient") {}

/** Far above any answer to our own requests; what is longer is not one. */
const answerMax = 32 * 1024 * 1024

const closeTimeout = "2 seconds"

const acquire = ({ apiKey, url }: Options) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      new Client({
        node: url,
        ...(apiKey === undefined ? {} : { auth: { apiKey: Redacted.value(apiKey) } }),
        maxRetries: 0,
        compression: true,
        sniffOnStart: false,
        sniffInterval: false,
        sniffOnConnectionFault: false,
        maxResponseSize: answerMax,
        maxCompressedResponseSize: answerMax
      })
    ),
    (client) =>
      Effect.tryPromise(() => client.close()).pipe(
        Effect.interruptible,
        Effect.timeoutOption(closeTimeout),
        Effect.ignore
      )
  )

/** `url.full` is without user, password and query. The namespace is the part of the cluster that is ours. */
const describing = ({ index, url }: Options): ElasticsearchClient["Service"]["attributesOf"] => {
  const { hostname, origin, port, protocol } = new URL(url)
  return ({ method, path }) => ({
    "db.system.name": "elasticsearch",
    "db.namespace": index,
    "server.address": hostname.replace(/^\[|\]$/g, ""),
    "server.port": Number(port || (protocol === "https:" ? 443 : 80)),
    "http.request.method": method,
    "url.full": `${origin}${path}`
  })
}

const make = Effect.fnUntraced(function*(options: Options) {
  const client = yield* acquire(options)

  const send = ({ body, lines, method, path, query }: Request, headers: Readonly<Record<string, string>>) =>
    Effect.tryPromise({
      try: (signal) =>
        client.transport.request({
          method,
          path,
          ...(query === undefined ? {} : { querystring: { ...query } }),
          ...(body === undefined ? {} : { body }),
          ...(lines === undefined ? {} : { bulkBody: lines })
        }, {
          meta: true,
          signal,
          headers,
          // The span is ours. The client has no such option, only its requests have.
          openTelemetry: { enabled: false }
        }),
      catch: (cause) => new Unanswered({ cause })
    })

  const request = Effect.fnUntraced(function*(wanted: Request) {
    const headers = yield* outbound
    const { body, statusCode } = yield* send(wanted, headers).pipe(
      // The client's own timeout ends with the headers: a body that stops half-way would hang.
      Effect.timeoutOrElse({
        duration: wanted.timeout,
        orElse: () =>
          Effect.fail(
            new Unanswered({
              cause: {
                name: "TimeoutError",
                message: `no answer in ${Duration.format(Duration.fromInputUnsafe(wanted.timeout))}`
              }
            })
          )
      }),
      Effect.catch(({ cause }) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(new RequestFailed(refusalOf(cause, now))))
      )
    )
    return { status: statusCode, body }
  })

  return ElasticsearchClient.of({ index: options.index, attributesOf: describing(options), request })
})

export const layer = (options: Options) => Layer.effect(ElasticsearchClient, make(options))

/**
 * A request with its span; the name of the operation is also the last part of the path. `of`: an index, where it is not
 * the one that is searched.
 */
export const ask = Effect.fnUntraced(function*(operation: string, rest: Omit<Request, "method" | "path">, of?: string) {
  const { attributesOf, index, request } = yield* ElasticsearchClient
  const collection = of ?? index
  const where = { method: "POST", path: `/${collection}/_${operation}` } as const
  return yield* request({ ...where, ...rest }).pipe(
    Effect.tap(({ status }) => Effect.annotateCurrentSpan({ "db.response.status_code": String(status) })),
    Effect.tapError(({ failure, status }) =>
      Effect.annotateCurrentSpan({
        ...(status === 0 ? {} : { "db.response.status_code": String(status) }),
        "error.type": failure.errorType
      })
    ),
    Effect.withSpan(`es.${operation}`, {
      kind: "client",
      attributes: { ...attributesOf(where), "db.operation.name": operation, "db.collection.name": collection }
    }, withoutStack)
  )
})

/** Documents by their ids: reads what was written, before any refresh. */
export const askById = (ids: ReadonlyArray<string>, source: string, timeout: Duration.Input, of?: string) =>
  ask("mget", { query: { _source: source }, body: { ids }, timeout }, of).pipe(
    Effect.filterOrFail(
      ({ body }) => refusalOfDocuments(body) === undefined,
      ({ body }) => new RequestFailed(refusalOfDocuments(body)!)
    )
  )
