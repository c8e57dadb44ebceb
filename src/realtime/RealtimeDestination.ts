/**
 * Relays what was committed to the message bus: messages of sessions, and changes to the sessions that show them.
 *
 * The row is a hint here, too: what is published is read from the session, so a replay publishes the same again.
 */
import { Clock, Effect, Exit, Layer, Result, type Tracer } from "effect"
import { type Delivered, Destination } from "../delivery/Destination.ts"
import { timed } from "../delivery/EngineCall.ts"
import { type Failure, storeFailed } from "../delivery/Failure.ts"
import { ProcessSpans } from "../delivery/ProcessSpans.ts"
import type { Outcome } from "../delivery/Settlement.ts"
import type { Delivery } from "../outbox/Leases.ts"
import { SpanError } from "../telemetry/SpanFailure.ts"
import { TraceCarrier } from "../telemetry/TraceCarrier.ts"
import { MessageBus, messageId, type Published, topic } from "./MessageBus.ts"
import type { SessionMessage } from "./Session.ts"
import { type RecordedChange, Sessions } from "./Sessions.ts"

interface Told {
  readonly row: Delivery
  readonly messages: ReadonlyArray<SessionMessage>
}

const busFailed: Failure = {
  class: "transient",
  errorType: "bus_unavailable",
  detail: "the message bus did not answer"
}

const changeOf = (row: Delivery): ReadonlyArray<RecordedChange> =>
  row.kind === "session" ? [] : [{
    entity_type: row.kind,
    entity_id: row.entityId,
    version: row.version,
    op: row.op,
    changes: row.fields,
    actor: row.actor,
    request_id: row.requestId,
    sessions: [...new Set([row.entityId, ...(row.libraryId === null ? [] : [row.libraryId])])]
  }]

export const layer = Layer.effect(
  Destination,
  Effect.gen(function*() {
    const bus = yield* MessageBus
    const sessions = yield* Sessions

    const load = Effect.fnUntraced(function*(rows: ReadonlyArray<Delivery>) {
      const said = rows.filter(({ kind }) => kind === "session")
      const changed = rows.filter(({ kind }) => kind !== "session")
      const kept = yield* sessions.load(said.map(({ entityId, version }) => ({ session_id: entityId, seq: version })))
      const byId = new Map(kept.map((message) => [messageId(message), message]))
      const recorded = yield* sessions.record(changed.flatMap(changeOf))
      const byRow = new Map<Delivery, ReadonlyArray<SessionMessage>>(changed.map((row, at) => [row, recorded[at]!]))
      return rows.map((row): Told => {
        const message = byId.get(messageId({ session_id: row.entityId, seq: row.version }))
        return { row, messages: byRow.get(row) ?? (message === undefined ? [] : [message]) }
      })
    })

    /** Whoever consumes it goes on in the trace of this span, which so must be there before it is sent. */
    const begin = Effect.fnUntraced(function*(process: Tracer.Span, message: SessionMessage) {
      const span = yield* Effect.makeSpan("logic.mq.publish", {
        kind: "producer",
        parent: process,
        attributes: {
          "projection": "realtime",
          "mq.topic": topic,
          "messaging.operation.type": "send",
          "messaging.destination.name": topic,
          "messaging.message.id": messageId(message),
          session_id: message.session_id
        }
      })
      return span
    })

    const publish = Effect.fnUntraced(function*(told: ReadonlyArray<Told>) {
      const carrier = yield* TraceCarrier
      const spans = yield* ProcessSpans
      const all: Array<Published & { readonly row: Delivery; readonly span: Tracer.Span | undefined }> = []
      for (const { messages, row } of told) {
        const process = spans.begin(row)
        for (const message of messages) {
          const span = process === undefined ? undefined : yield* begin(process, message)
          all.push({ row, message, span, trace: (span === undefined ? undefined : carrier.inject(span)) ?? row.trace })
        }
      }
      const { result } = yield* timed("logic.mq.publish", { "mq.topic": topic }, bus.publish(all))
      const results = Result.isSuccess(result) ? result.success : []
      const endedAt = yield* Clock.currentTimeNanos
      const failed = new Set<Delivery>()
      all.forEach(({ row, span }, at) => {
        const ok = results[at] !== undefined && Result.isSuccess(results[at])
        if (!ok) {
          failed.add(row)
          span?.attribute("error.type", busFailed.errorType)
        }
        span?.end(endedAt, ok ? Exit.void : Exit.fail(new SpanError(busFailed.detail)))
      })
      return failed
    })

    const deliver = Effect.fnUntraced(
      function*(rows: ReadonlyArray<Delivery>) {
        const told = yield* load(rows)
        const failed = yield* publish(told)
        const outcomeOf = ({ messages, row }: Told): Outcome =>
          failed.has(row)
            ? { _tag: "Failed", failure: busFailed }
            : { _tag: messages.length === 0 ? "Superseded" : "Written" }
        return {
          calls: [],
          outcomes: new Map(told.map((one) => [one.row.id, outcomeOf(one)])),
          ...(failed.size === rows.length ? { refused: busFailed } : {})
        } satisfies Delivered
      },
      (effect, rows) =>
        Effect.catchTag(effect, "StoreUnavailable", () =>
          Effect.succeed<Delivered>({
            calls: [],
            outcomes: new Map(rows.map(({ id }) => [id, { _tag: "Failed", failure: storeFailed }])),
            refused: storeFailed
          }))
    )

    return Destination.of({ deliver })
  })
)
