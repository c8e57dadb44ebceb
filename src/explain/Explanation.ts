/**
 * The answer to "I changed it, but search shows the old one": what `explain` tells people, scripts and the page.
 *
 * Times are RFC 3339 by the database's clock, durations milliseconds; `null` is what nobody knows, never zero.
 */
import { Schema } from "effect"
import { Operation } from "../domain/Change.ts"
import { EntityId, EntityKind } from "../domain/Entity.ts"
import { Status } from "../outbox/OutboxReport.ts"
import { Projection } from "../outbox/Projection.ts"

/** Everything that can be said of a change; each has its own sentence and its own next step. */
export const Verdict = Schema.Literals([
  /** Searches find it, or no longer find what was removed. */
  "searchable",
  /** The same of a projection that is no search index: its destination has it. */
  "recorded",
  "waiting",
  /** An earlier row of its entity must be told first, or another batch holds its lane. */
  "blocked",
  "paused",
  "breaker_open",
  "backing_off",
  "leased",
  /** Its worker let the lease end without a settlement. */
  "lease_lost",
  "dead",
  "never_enqueued",
  /** The index has it, searches do not show it yet. */
  "not_refreshed",
  /** The index has a later version than the database. */
  "index_ahead",
  /** Told, but the index says something else. */
  "drift",
  /** The new name of a tag or library is on its way to its blocks. */
  "fan_out",
  /** Told as far as the outbox knows, and the engine does not answer. */
  "index_unknown",
  /** No such entity, event, request or trace. */
  "not_found"
])
export type Verdict = typeof Verdict.Type

const Time = Schema.String.annotate({ format: "date-time" })
const Text = Schema.String
const maybe = <S extends Schema.Top>(schema: S) => Schema.NullOr(schema)

/** What to do next; `command` can be pasted into a shell. */
export const Step = Schema.Struct({ text: Text, command: maybe(Text) })
export type Step = typeof Step.Type

/** Figures and facts by name, in the order in which they are shown. */
export const Evidence = Schema.Record(Schema.String, Schema.NullOr(Schema.Union([Text, Schema.Number, Schema.Boolean])))
export type Evidence = typeof Evidence.Type

/** The five looks of S1-17, always in this order. */
export const Question = Schema.Literals(["source_of_truth", "outbox", "worker", "index", "lag"])
export type Question = typeof Question.Type

/** `yes`: as it should be. The first `no` is where the change is stuck. */
export const Answer = Schema.Struct({
  question: Question,
  answer: Schema.Literals(["yes", "no", "unknown"]),
  text: Text,
  evidence: Evidence
})
export type Answer = typeof Answer.Type

/** A row of the outbox; the same names as in `GET /api/v1/outbox/events`. */
export const Row = Schema.Struct({
  projection: Projection,
  id: Schema.Int,
  entity_version: Schema.Int,
  op: Operation,
  status: Status,
  attempts: Schema.Int,
  next_attempt_at: maybe(Time),
  lease_owner: maybe(Text),
  lease_until: maybe(Time),
  error_type: maybe(Text),
  error_detail: maybe(Text),
  trace_id: maybe(Text),
  request_id: maybe(Text),
  created_at: Time,
  updated_at: Time,
  processed_at: maybe(Time)
})
export type Row = typeof Row.Type

/** Finished or lost attempts, and the one that is going on (`ended_at: null`). */
export const Attempt = Schema.Struct({
  attempt: Schema.Int,
  worker: Text,
  claimed_at: Time,
  ended_at: maybe(Time),
  ms: maybe(Schema.Number),
  result: maybe(Schema.Literals(["ok", "failed"])),
  outcome: maybe(Text),
  error_type: maybe(Text),
  error_detail: maybe(Text),
  /** From the claim until the engine was asked. */
  load_ms: maybe(Schema.Number),
  engine_ms: maybe(Schema.Number),
  /** When it could be tried again. */
  due_at: maybe(Time)
})
export type Attempt = typeof Attempt.Type

/**
 * `api`: from the request's start, where its id tells it, to the entity's write; `commit`: to its outbox row; `queue`:
 * until a claim took it; `attempts`: those that failed or were lost; `backoff`: until it was due again; `replay`:
 * from its end until somebody had it replayed. Of the attempt that succeeded: `load`, `engine`, `ack`. `refresh`:
 * until searches show it.
 */
export const Stage = Schema.Literals([
  "api",
  "commit",
  "queue",
  "attempts",
  "backoff",
  "replay",
  "load",
  "engine",
  "ack",
  "refresh"
])
export type Stage = typeof Stage.Type

/** Segments follow each other without overlapping; the last may still be going on. */
export const Segment = Schema.Struct({
  stage: Stage,
  from: Time,
  to: Time,
  /** Since the timeline's first moment. */
  offset_ms: Schema.Number,
  ms: Schema.Number,
  attempt: maybe(Schema.Int),
  /** It has not ended: `to` is now. */
  open: Schema.Boolean,
  text: Text
})
export type Segment = typeof Segment.Type

/** The sums of the timeline's segments; `null` where nobody knows, 0 where it did not happen. */
export const Spent = Schema.Struct({
  api: maybe(Schema.Number),
  commit: maybe(Schema.Number),
  queue: maybe(Schema.Number),
  attempts: maybe(Schema.Number),
  backoff: maybe(Schema.Number),
  replay: maybe(Schema.Number),
  load: maybe(Schema.Number),
  engine: maybe(Schema.Number),
  ack: maybe(Schema.Number),
  refresh: maybe(Schema.Number),
  total: Schema.Number
})
export type Spent = typeof Spent.Type

/** Why it took long. The first three are S1-21 (a wait in the outbox), the next three S1-22 (the engine). */
export const SlowCause = Schema.Literals([
  "poll",
  "backlog",
  "reclaim",
  "engine_slow",
  "engine_throttled",
  "engine_errors",
  "paused",
  "breaker",
  "blocked",
  "replay"
])
export type SlowCause = typeof SlowCause.Type

export const Slow = Schema.Struct({ cause: SlowCause, sentence: Text, evidence: Evidence })
export type Slow = typeof Slow.Type

const judged = {
  verdict: Verdict,
  /** `null`: nobody can say. */
  in_place: maybe(Schema.Boolean),
  sentence: Text,
  steps: Schema.Array(Step)
}

/** A change on its way to one projection. */
export const Delivery = Schema.Struct({
  projection: Projection,
  ...judged,
  row: maybe(Row),
  attempts: Schema.Array(Attempt),
  timeline: Schema.Array(Segment),
  spent: Spent,
  slow: maybe(Slow)
})
export type Delivery = typeof Delivery.Type

export const ExplainedChange = Schema.Struct({
  entity: Schema.Struct({
    kind: EntityKind,
    id: EntityId,
    /** The change that is explained. */
    version: Schema.Int,
    /** What the database has now; `null` when it has no such entity and knows of no removal. */
    current_version: maybe(Schema.Int),
    removed: Schema.Boolean,
    title: maybe(Text),
    changed_at: maybe(Time)
  }),
  ...judged,
  /** Five, in the order of `Question`. */
  answers: Schema.Array(Answer),
  /** The one that was asked for comes first: search, unless an event of another projection was asked for. */
  deliveries: Schema.Array(Delivery),
  request_id: maybe(Text),
  trace_id: maybe(Text),
  /** From `WORDLOOM_TRACE_URL`. */
  trace_url: maybe(Text)
})
export type ExplainedChange = typeof ExplainedChange.Type

export const AskedBy = Schema.Literals(["block", "tag", "library", "event", "request_id", "trace_id"])
export type AskedBy = typeof AskedBy.Type

export const Explanation = Schema.Struct({
  asked: Schema.Struct({ by: AskedBy, value: Text }),
  at: Time,
  /** Of the change that is worst off. */
  ...judged,
  /** The one that is worst off first; at most 20. An entity or event has one, a request or trace may have several. */
  changes: Schema.Array(ExplainedChange),
  /** There are more than are shown. */
  more: Schema.Boolean,
  engine: Schema.Struct({
    name: Schema.Literals(["postgres", "elasticsearch"]),
    reachable: Schema.Boolean,
    detail: maybe(Text)
  })
})
export type Explanation = typeof Explanation.Type
