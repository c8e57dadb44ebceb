/** `wordloom outbox`: what the HTTP routes tell of the rows in the outboxes, for people and for scripts. */
import { DateTime, Effect, Layer, Schema } from "effect"
import * as OutboxReportPostgres from "../../../layers/postgres/OutboxReportPostgres.ts"
import { EntityId } from "../../../src/domain/Entity.ts"
import { Instant, instantAllowed } from "../../../src/domain/Instant.ts"
import { limitMax } from "../../../src/domain/Paging.ts"
import { OutboxEvent, OutboxReport, type Status } from "../../../src/outbox/OutboxReport.ts"
import type { Projection } from "../../../src/outbox/Projection.ts"
import * as Backend from "./Backend.ts"
import { failure, wrongUsage } from "./ExitCode.ts"
import * as Output from "./Output.ts"

const withReport = Effect.provide(OutboxReportPostgres.layer.pipe(Layer.provideMerge(Backend.layerKept)))

const number = (value: number) => value.toLocaleString("en")

const right = "right" as const

const statusColor = { pending: Output.yellow, processing: Output.yellow, done: Output.green, dead: Output.red } as const

const eventColumns: ReadonlyArray<Output.Column<OutboxEvent>> = [
  { title: "PROJECTION", text: ({ projection }) => projection },
  { title: "ID", text: ({ id }) => String(id), align: right, color: () => Output.bold },
  { title: "STATUS", text: ({ status }) => status, color: ({ status }) => statusColor[status] },
  { title: "TRIES", text: ({ attempts }) => String(attempts), align: right },
  { title: "ENTITY", text: ({ entity_id, entity_type }) => `${entity_type}/${entity_id}` },
  { title: "VERSION", text: ({ entity_version }) => String(entity_version), align: right },
  { title: "OP", text: ({ op }) => op },
  { title: "WRITTEN", text: ({ created_at }) => DateTime.formatIso(created_at) },
  { title: "TRACE", text: ({ trace_id }) => trace_id ?? "-", color: () => Output.dim },
  { title: "ERROR", text: ({ error_type }) => error_type ?? "", color: () => Output.red }
]

const encodeEvents = Schema.encodeSync(Schema.toCodecJson(Schema.Array(OutboxEvent)))

const entityId = (text: string | undefined) =>
  text === undefined
    ? Effect.undefined
    : Effect.mapError(Schema.decodeUnknownEffect(EntityId)(text), () => wrongUsage("--entity-id must be a UUID"))

const checkTrace = (text: string | undefined) =>
  text === undefined || /^[0-9a-f]{32}$/.test(text)
    ? Effect.succeed(text)
    : Effect.fail(wrongUsage("--trace-id must be 32 lower-case hex digits"))

const checkLimit = (limit: number) =>
  limit >= 1 && limit <= limitMax
    ? Effect.succeed(limit)
    : Effect.fail(wrongUsage(`--limit must be a whole number from 1 to ${limitMax}`))

export const list = Effect.fnUntraced(function*(input: {
  readonly projection: Projection | undefined
  readonly status: Status | undefined
  readonly entityId: string | undefined
  readonly traceId: string | undefined
  readonly limit: number
  readonly cursor: string | undefined
  readonly json: boolean
}) {
  const { cursor, json, projection, status } = input
  const filter = {
    projection,
    status,
    entity_id: yield* entityId(input.entityId),
    trace_id: yield* checkTrace(input.traceId)
  }
  const limit = yield* checkLimit(input.limit)
  const page = yield* Effect.flatMap(OutboxReport, (report) => report.events(filter, limit, cursor)).pipe(
    Effect.catchTag("CursorInvalid", ({ message }) => Effect.fail(wrongUsage(`--cursor ${message}`))),
    withReport
  )
  if (json) return yield* Output.printJson({ items: encodeEvents(page.items), next_cursor: page.next_cursor })
  if (page.items.length === 0) return yield* Output.tell("no such rows")
  yield* Output.print(Output.table(eventColumns, page.items))
  if (page.next_cursor !== null) yield* Output.tell(`there are more: --cursor ${page.next_cursor}`)
})

const instant = (flag: string, text: string | undefined) =>
  text === undefined || Schema.is(Instant)(text)
    ? Effect.succeed(text)
    : Effect.fail(wrongUsage(`${flag} ${instantAllowed}`))

export const replay = Effect.fnUntraced(function*(input: {
  readonly projection: Projection
  readonly status: "dead" | "done" | undefined
  readonly errorType: string | undefined
  readonly after: string | undefined
  readonly before: string | undefined
  readonly id: number | undefined
  readonly json: boolean
}) {
  const { id, json, projection, status } = input
  const filter = {
    projection,
    id,
    status,
    error_type: input.errorType,
    after: yield* instant("--after", input.after),
    before: yield* instant("--before", input.before)
  }
  const replayed = yield* Effect.flatMap(OutboxReport, (report) => report.replay(filter)).pipe(withReport)
  if (id !== undefined && replayed === 0) return yield* failure(`${projection} has no such finished row ${id}`)
  if (json) return yield* Output.printJson({ replayed })
  yield* Output.print(`${number(replayed)} ${replayed === 1 ? "row is" : "rows are"} due again in ${projection}`)
})
