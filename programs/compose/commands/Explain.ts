/** `wordloom explain`: what has become of a change, for people and for scripts. */
import { Effect, Layer, Schema } from "effect"
import * as ExplainPostgres from "../../../layers/postgres/ExplainPostgres.ts"
import * as SearchSourcePostgres from "../../../layers/postgres/SearchSourcePostgres.ts"
import { EntityId, EntityKind } from "../../../src/domain/Entity.ts"
import { type Asked, eventOf, requestIdShape, traceIdShape } from "../../../src/explain/Asked.ts"
import { Explainer } from "../../../src/explain/Explainer.ts"
import { Explanation } from "../../../src/explain/Explanation.ts"
import * as Explaining from "../Explaining.ts"
import * as SearchEngine from "../SearchEngine.ts"
import * as Backend from "./Backend.ts"
import { failure, wrongUsage } from "./ExitCode.ts"
import { textOf } from "./ExplainText.ts"
import * as Output from "./Output.ts"

export interface Input {
  readonly entity: string | undefined
  readonly event: string | undefined
  readonly requestId: string | undefined
  readonly traceId: string | undefined
  readonly json: boolean
}

/** A process that has only just begun is slow to ask, and a person rather waits than is told that nobody knows. */
const engineWithin = "10 seconds"

const layer = Explaining.layer(engineWithin).pipe(
  Layer.provide([ExplainPostgres.layer, SearchSourcePostgres.layer, SearchEngine.layer]),
  Layer.provide(Backend.layerKept)
)

const isKind = Schema.is(EntityKind)
const isId = Schema.is(EntityId)

const entityOf = (text: string): Asked | undefined => {
  const [by, id = "", ...rest] = text.split("/")
  const lower = id.toLowerCase()
  return isKind(by) && isId(lower) && rest.length === 0 ? { by, id: lower } : undefined
}

const shaped = (by: "request_id" | "trace_id", shape: RegExp) => (text: string): Asked | undefined =>
  shape.test(text) ? { by, value: text } : undefined

const askedOf = Effect.fnUntraced(function*({ entity, event, requestId, traceId }: Input) {
  const all = [
    { text: entity, read: entityOf, allowed: "<kind>/<id> must be block/, tag/ or library/ and a UUID" },
    { text: event, read: eventOf, allowed: "--event must be search/12, chronicle/12 or realtime/12" },
    {
      text: requestId,
      read: shaped("request_id", requestIdShape),
      allowed: "--request-id must be 1 to 64 letters, digits, '.', '_' or '-'"
    },
    { text: traceId, read: shaped("trace_id", traceIdShape), allowed: "--trace-id must be 32 lower-case hex digits" }
  ]
  const given = all.filter(({ text }) => text !== undefined)
  const [one] = given
  if (one === undefined || given.length > 1) {
    return yield* wrongUsage("say one of <kind>/<id>, --event, --request-id and --trace-id")
  }
  return one.read(one.text!) ?? (yield* wrongUsage(one.allowed))
})

const encode = Schema.encodeSync(Schema.toCodecJson(Explanation))

/** The answer was printed; the exit code says it in short. */
const judged = ({ in_place, sentence, verdict }: Explanation) =>
  in_place === true
    ? Effect.void
    : Effect.fail(in_place === null || verdict === "not_found" ? wrongUsage(sentence) : failure(sentence))

export const run = Effect.fnUntraced(function*(input: Input) {
  const asked = yield* askedOf(input)
  const explanation = yield* Explainer.use(({ explain }) => explain(asked)).pipe(Effect.provide(layer))
  yield* input.json ? Output.printJson(encode(explanation)) : Output.print(textOf(explanation))
  yield* judged(explanation)
})
