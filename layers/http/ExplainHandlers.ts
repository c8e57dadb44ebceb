/** Answers what has become of a change. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { ExplainQuery } from "../../src/api/ExplainApi.ts"
import { BadRequest } from "../../src/api/Problems.ts"
import { WordloomApi } from "../../src/api/WordloomApi.ts"
import { type Asked, eventOf } from "../../src/explain/Asked.ts"
import { Explainer } from "../../src/explain/Explainer.ts"
import { orProblem } from "./ProblemOf.ts"

const kinds = ["block", "tag", "library"] as const
const names = ["request_id", "trace_id"] as const

const message = "exactly one of block, tag, library, event, request_id and trace_id must be given"

const notOne = (given: ReadonlyArray<string>) =>
  new BadRequest({
    detail: message,
    errors: (given.length === 0 ? ["query"] : given).map((path) => ({ path, message }))
  })

const oneOf = (query: typeof ExplainQuery.Type): Effect.Effect<Asked, BadRequest> => {
  const all: ReadonlyArray<Asked | undefined> = [
    ...kinds.map((by) => query[by] === undefined ? undefined : { by, id: query[by] }),
    ...names.map((by) => query[by] === undefined ? undefined : { by, value: query[by] }),
    query.event === undefined ? undefined : eventOf(query.event)
  ]
  const asked = all.filter((each) => each !== undefined)
  return asked.length === 1 ? Effect.succeed(asked[0]!) : Effect.fail(notOne(Object.keys(query)))
}

export const layer = HttpApiBuilder.group(
  WordloomApi,
  "explain",
  (build) =>
    Effect.map(Explainer, ({ explain }) =>
      build.handleAll({
        explain: ({ query }) => orProblem(Effect.flatMap(oneOf(query), explain))
      }))
)
