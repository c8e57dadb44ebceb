/** How PostgreSQL would run a statement of ours: its real text, planned for these values or for any. */
import * as PgTypes from "@effect/sql-pg/PgTypes"
import { Effect, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"

export interface PlanNode {
  readonly "Node Type": string
  readonly "Parent Relationship"?: string
  readonly "Relation Name"?: string
  readonly "Index Name"?: string
  readonly "Shared Hit Blocks"?: number
  readonly "Shared Read Blocks"?: number
  readonly Plans?: ReadonlyArray<PlanNode>
}

export type PlanMode = "auto" | "force_custom_plan" | "force_generic_plan"

const names: Readonly<Record<number, string>> = {
  [PgTypes.OID.int4]: "int4",
  [PgTypes.OID.int8]: "int8",
  [PgTypes.OID.float8]: "float8",
  1007: "int4[]",
  1009: "text[]",
  1016: "int8[]",
  1022: "float8[]",
  2951: "uuid[]"
}

/** As the driver sends it: a string has no type of its own. */
const typeOf = (value: unknown): string => {
  if (PgTypes.isParameter(value)) return names[value.oid] ?? "unknown"
  if (typeof value !== "number") return "unknown"
  return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? "int4" : "float8"
}

const quoted = (value: unknown): string => {
  if (PgTypes.isParameter(value)) return quoted(value.value)
  if (value === null || value === undefined) return "null"
  if (Array.isArray(value)) {
    const each = value.map((one) => one === null ? "null" : `"${String(one).replaceAll(/["\\]/g, "\\$&")}"`)
    return quoted(`{${each.join(",")}}`)
  }
  return `'${(value as string | number | bigint | boolean).toString().replaceAll("'", "''")}'`
}

const Answer = Schema.Tuple([Schema.Struct({ "QUERY PLAN": Schema.Unknown })])
const decode = Schema.decodeUnknownEffect(Answer)

/** Runs it, and takes back what it did. */
export const explain = Effect.fnUntraced(function*(statement: Statement.Statement<unknown>, mode: PlanMode) {
  const sql = yield* SqlClient.SqlClient
  const [text, parameters] = statement.compile()
  const list = (all: ReadonlyArray<string>) => all.length === 0 ? "" : `(${all.join(", ")})`
  const types = list(parameters.map(typeOf))
  const values = list(parameters.map(quoted))
  const run = Effect.gen(function*() {
    yield* sql.unsafe(`set local plan_cache_mode = ${mode}`)
    yield* sql.unsafe(`prepare explained ${types} as ${text}`)
    const rows = yield* sql.unsafe(`explain (analyze, buffers, format json) execute explained ${values}`)
    const [{ "QUERY PLAN": plan }] = yield* decode(rows)
    yield* sql.unsafe("deallocate explained")
    return yield* Effect.fail({ plan: (plan as ReadonlyArray<{ readonly Plan: PlanNode }>)[0]!.Plan })
  })
  return yield* Effect.catchIf(
    sql.withTransaction(run),
    (error) => "plan" in error,
    (error) => Effect.succeed((error as { readonly plan: PlanNode }).plan)
  )
})

export const nodesOf = (node: PlanNode): ReadonlyArray<PlanNode> => [node, ...(node.Plans ?? []).flatMap(nodesOf)]

/** What the node works on, without what is asked for each of its rows. */
export const inputsOf = (node: PlanNode): ReadonlyArray<PlanNode> => [
  node,
  ...(node.Plans ?? []).filter((each) => !each["Parent Relationship"]?.endsWith("Plan")).flatMap(inputsOf)
]

export const buffersOf = (node: PlanNode) => (node["Shared Hit Blocks"] ?? 0) + (node["Shared Read Blocks"] ?? 0)
