/** One question, one answer: judges what was gathered; no IO. */
import { isOrdered, Projection, subscribed } from "../outbox/Projection.ts"
import { answersOf } from "./Answers.ts"
import type { Asked } from "./Asked.ts"
import type { Attempt, Delivery, ExplainedChange, Explanation, Row } from "./Explanation.ts"
import {
  type AttemptFacts,
  type ChangeFacts,
  type Circumstances,
  type EngineFacts,
  type Gathered,
  type RowFacts,
  rowKey,
  statusOf
} from "./Facts.ts"
import { type Case, caseOf, inPlace, isWorse, judge } from "./Judge.ts"
import { isoOf, maybeIso, msOf, rounded } from "./Say.ts"
import { missing, say } from "./Sentences.ts"
import { slowOf } from "./Slow.ts"
import { spentOf, timelineOf } from "./Timeline.ts"

export interface Facts {
  readonly asked: Asked
  readonly gathered: Gathered
  readonly engine: EngineFacts
  readonly given: Circumstances
}

const shownRow = (row: RowFacts): Row => ({
  projection: row.projection,
  id: row.id,
  entity_version: row.version,
  op: row.op,
  status: statusOf(row),
  attempts: row.claim === null ? row.attempts : row.attempts + 1,
  next_attempt_at: maybeIso(row.dueAt),
  lease_owner: row.claim?.worker ?? null,
  lease_until: maybeIso(row.claim?.until ?? null),
  error_type: row.errorType,
  error_detail: row.detail,
  trace_id: row.traceId,
  request_id: row.requestId,
  created_at: isoOf(row.createdAt),
  updated_at: isoOf(row.updatedAt),
  processed_at: maybeIso(row.processedAt)
})

const maybeRounded = (ms: number | null) => ms === null ? null : rounded(ms)

const shownAttempt = (attempt: AttemptFacts): Attempt => ({
  attempt: attempt.attempt,
  worker: attempt.worker,
  claimed_at: isoOf(attempt.claimedAt),
  ended_at: isoOf(attempt.endedAt),
  ms: msOf(attempt.endedAt - attempt.claimedAt),
  result: attempt.outcome === "acked" || attempt.outcome === "superseded" ? "ok" : "failed",
  outcome: attempt.outcome,
  error_type: attempt.errorType,
  error_detail: attempt.detail,
  load_ms: maybeRounded(attempt.loadMs),
  engine_ms: maybeRounded(attempt.engineMs),
  due_at: maybeIso(attempt.dueAt)
})

const attemptsOf = ({ at, details: { attempts }, row }: Case): ReadonlyArray<Attempt> => {
  const past = attempts.map(shownAttempt)
  const claim = row?.claim ?? null
  return claim === null ? past : [...past, {
    attempt: (row?.attempts ?? 0) + 1,
    worker: claim.worker,
    claimed_at: isoOf(claim.claimedAt),
    ended_at: null,
    ms: msOf(at - claim.claimedAt),
    result: null,
    outcome: null,
    error_type: null,
    error_detail: null,
    load_ms: null,
    engine_ms: null,
    due_at: null
  }]
}

const deliveryOf = (facts: Case): Delivery => {
  const verdict = judge(facts)
  const said = say(verdict as Exclude<typeof verdict, "not_found">, facts)
  const timeline = timelineOf(facts)
  const spent = spentOf(facts, timeline)
  return {
    projection: facts.projection,
    verdict,
    in_place: inPlace(verdict),
    ...said,
    row: facts.row === undefined ? null : shownRow(facts.row),
    attempts: attemptsOf(facts),
    timeline,
    spent,
    slow: slowOf(facts, spent, verdict)
  }
}

/** Search, unless an event of another projection was asked for; then everybody else who must hear of it. */
const projectionsOf = ({ event, rows }: ChangeFacts): ReadonlyArray<Projection> => {
  const first = event?.projection ?? "search"
  const others = Projection.literals.filter((each) =>
    each !== first && (subscribed.includes(each) || rows.some((row) => row.projection === each))
  )
  return [first, ...others]
}

/** A document of what is no entity any more, and whose rows are gone. */
const isTold = (change: ChangeFacts) => (facts: Case, at: number) =>
  at === 0 || facts.row !== undefined || (isOrdered[facts.projection] && change.entity !== undefined)

const urlOf = (template: string | undefined, traceId: string | null) =>
  template === undefined || traceId === null ? null : template.replaceAll("{trace_id}", traceId)

const changeOf = (change: ChangeFacts, { asked, engine, gathered, given }: Facts): ExplainedChange => {
  const { entity, id, kind, version } = change
  const cases = projectionsOf(change)
    .map((projection) => caseOf(change, projection, { ...gathered, asked, engine, given }))
    .filter(isTold(change))
  const deliveries = cases.map(deliveryOf)
  const [first] = deliveries as [Delivery, ...ReadonlyArray<Delivery>]
  const row = first.row ?? deliveries.find((each) => each.row !== null)?.row ?? null
  const traceId = row?.trace_id ?? null
  return {
    entity: {
      kind,
      id,
      version,
      current_version: entity?.version ?? null,
      removed: entity?.removed ?? false,
      title: entity?.title ?? null,
      changed_at: maybeIso(entity?.changedAt ?? null)
    },
    verdict: first.verdict,
    in_place: first.in_place,
    sentence: first.sentence,
    steps: first.steps,
    answers: answersOf(cases[0]!),
    deliveries,
    request_id: row?.request_id ?? null,
    trace_id: traceId,
    trace_url: urlOf(given.traceUrl, traceId)
  }
}

/** The database knows nothing of it, and the index has it all the same. */
const orphansOf = ({ asked, engine }: Facts): ReadonlyArray<ChangeFacts> => {
  if (asked.by === "event" || !("id" in asked)) return []
  const stored = engine.entries.get(asked.id)?.stored
  return stored === undefined || stored.deleted || stored.kind !== asked.by ? [] : [{
    kind: asked.by,
    id: asked.id,
    version: stored.version,
    event: null,
    entity: undefined,
    recorded: false,
    rows: [],
    details: new Map()
  }]
}

const askedOf = (asked: Asked): Explanation["asked"] => ({
  by: asked.by,
  value: asked.by === "event" ? rowKey(asked) : "id" in asked ? asked.id : asked.value
})

const overall = (changes: ReadonlyArray<ExplainedChange>, more: boolean): string => {
  const [worst] = changes
  const well = changes.filter((each) => each.in_place === true).length
  const all = `${more ? "more than " : ""}${changes.length}`
  return changes.length === 1 ? worst!.sentence : `${well} of ${all} changes are in their place; ${worst!.sentence}`
}

export const explain = (facts: Facts): Explanation => {
  const { asked, engine, gathered } = facts
  const known = gathered.changes.length > 0 ? gathered.changes : orphansOf(facts)
  const changes = known.map((each) => changeOf(each, facts)).toSorted((a, b) => isWorse(a.verdict, b.verdict))
  const [worst] = changes
  return {
    asked: askedOf(asked),
    at: isoOf(gathered.at),
    ...(worst === undefined
      ? { verdict: "not_found", in_place: false, ...missing(asked) } as const
      : {
        verdict: worst.verdict,
        in_place: worst.in_place,
        sentence: overall(changes, gathered.more),
        steps: worst.steps
      }),
    changes,
    more: gathered.more,
    engine: { name: engine.name, reachable: engine.away === null, detail: engine.away }
  }
}
