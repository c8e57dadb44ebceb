/** Checks of the synchronous half: the request's own span, its transaction, and the rows that it leaves. */
import { called, counted, type Finding, finding, skipped } from "./Finding.ts"
import { isStatement } from "./SpanRules.ts"
import { rowsOf, type StoryTrees } from "./Story.ts"
import { number, text, type TraceSpan } from "./Trace.ts"

const noRequest = skipped("no request's trace")

const server = (trees: StoryTrees): TraceSpan | undefined => trees.request?.tops.find(({ kind }) => kind === "server")

export const http = (trees: StoryTrees): Finding => {
  const span = server(trees)
  if (span === undefined) return skipped("no HTTP request began it")
  const method = text(span, "http.request.method")
  const route = text(span, "http.route")
  const status = number(span, "http.response.status_code")
  const wanted: ReadonlyArray<readonly [boolean, string]> = [
    [method !== "", "does not carry http.request.method"],
    [route !== "", "does not carry http.route"],
    [status !== undefined, "does not carry http.response.status_code"],
    [text(span, "http.method") === method, "http.method is not http.request.method"],
    [number(span, "http.status_code") === status, "http.status_code is not http.response.status_code"],
    [span.name === `${method} ${route}`, `is not named ${method} ${route}`],
    [status === undefined || span.failed === (status >= 500), "error status is for 5xx alone"]
  ]
  return finding(
    wanted.flatMap(([isRight, problem]) => isRight ? [] : [`${span.name}: ${problem}`]),
    `${span.name} ${status}`
  )
}

const isWrite = ({ name }: TraceSpan) => /^db\.(create|update|delete)$/.test(name)

/** Statements of the business tables, below a transaction of the request. */
const transactions = (trees: StoryTrees) =>
  (trees.request?.named("db.tx") ?? []).map((span) => ({
    span,
    statements: trees.request?.childrenOf(span).filter(({ name }) => isStatement(name)) ?? []
  }))

const entities: ReadonlySet<string> = new Set(["tags", "libraries", "blocks"])

const hasWritten = (trees: StoryTrees) =>
  transactions(trees).some(({ statements }) =>
    statements.some((span) => isWrite(span) && entities.has(text(span, "table")) && (number(span, "rows") ?? 0) > 0)
  )

export const transaction = (trees: StoryTrees): Finding => {
  if (trees.request === undefined) return noRequest
  if (server(trees) === undefined) return skipped("no HTTP request began it")
  const found = transactions(trees)
  const loose = trees.request.spans.filter((span) => isWrite(span) && trees.request?.parentOf(span)?.name !== "db.tx")
  const problems = [
    ...found.filter(({ statements }) => statements.length === 0).map(({ span }) => `${called(span)} has no statement`),
    ...loose.map((span) => `${called(span)} writes outside of a transaction`),
    ...found.flatMap(({ statements }) => statements).flatMap((span) =>
      ["table", "rows"].filter((key) => span.attributes[key] === undefined).map((key) =>
        `${called(span)} does not carry ${key}`
      )
    ),
    ...(rowsOf(trees.request).length > 0 && !hasWritten(trees) ? ["rows were left, but db.tx wrote no entity"] : [])
  ]
  if (problems.length === 0 && found.length === 0) return skipped("nothing was asked of the database")
  const statements = found.flatMap((one) => one.statements).map(({ attributes, name }) =>
    `${name} ${attributes["table"]}`
  )
  return finding(problems, statements.join(", "))
}

const told = ["search", "chronicle"] as const

/** Every committed write of an entity leaves a row for each projection, in its transaction. */
export const enqueued = (trees: StoryTrees): Finding => {
  if (trees.request === undefined) return noRequest
  const rows = rowsOf(trees.request)
  const seen = `${counted(rows.length, "row")}: ${rows.map(({ projection }) => projection).join(", ")}`
  const span = server(trees)
  if (span === undefined) return rows.length === 0 ? skipped("it left no row") : finding([], seen)
  const isCommitted = (number(span, "http.response.status_code") ?? 500) < 300
  if (!hasWritten(trees) || !isCommitted) return rows.length === 0 ? skipped("it wrote nothing") : finding([], seen)
  return finding(
    told.filter((projection) => !rows.some((row) => row.projection === projection)).map((projection) =>
      `${span.name} wrote, but left no outbox.enqueue for ${projection}`
    ),
    seen
  )
}
