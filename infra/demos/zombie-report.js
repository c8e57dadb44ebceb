/** What the zombie demonstration proves: attempts, metric, trace, and a verdict per check. */
import { heading, paint, table, verdict } from "./screen.js"
import { treeOf } from "./spans.js"

/** @import { Attempt, Event } from "./database.js" */
/** @import { Span } from "./spans.js" */

/**
 * @typedef {object} Evidence
 * @property {string} name the tag's
 * @property {string} traceId
 * @property {string} metric the line of worker-a
 * @property {string | undefined} metricB
 * @property {ReadonlyArray<Span>} spans
 * @property {Event} before as worker-b left the row
 * @property {Event | undefined} after once worker-a had tried to settle it
 * @property {ReadonlyArray<Attempt>} attempts
 * @property {string} found the search's answer
 */

/** Only a counter above zero: before its first miss a worker may show none at all, or a zero. */
export const guardMisses = /^wordloom_outbox_ack_guard_misses_total\{[^}]*projection="search"[^}]*\} [1-9].*$/m

/** @type {(spans: ReadonlyArray<Span>, worker: string) => Span | undefined} */
const processOf = (spans, worker) =>
  spans.find(({ instance, name }) => name === "outbox.process" && instance === worker)

/**
 * Each program sends its spans by itself, so the trace is whole only when all three have.
 * @param {ReadonlyArray<Span>} spans
 */
export const isTold = (spans) =>
  processOf(spans, "worker-a") !== undefined && processOf(spans, "worker-b") !== undefined &&
  ["POST /api/v1/tags", "outbox.enqueue", "outbox.attempt_lost"].every((name) =>
    spans.some((span) => span.name === name)
  )

/**
 * Both are right: search takes no older version, and a worker that notices how long it stood still leaves it alone.
 * @param {ReadonlyArray<Span>} spans
 */
export const wroteLate = (spans) =>
  spans.some(({ instance, name }) => name === "search.upsert" && instance === "worker-a")

/** @param {string} at RFC 3339, to the microsecond */
export const timeOf = (at) => at.slice(11, 23)

/** @param {ReadonlyArray<Attempt>} attempts */
const showAttempts = (attempts) => {
  heading("outbox_attempts")
  table(
    ["attempt", "worker", "claimed_at", "ended_at", "result", "outcome", "error_type"],
    attempts.map(({ attempt, claimed_at, ended_at, error_type, outcome, result, worker }) => [
      String(attempt),
      worker,
      timeOf(claimed_at),
      timeOf(ended_at),
      result,
      outcome,
      error_type ?? "–"
    ])
  )
}

/**
 * The tag's other projection waits in the same trace for a worker that is not part of this.
 * @param {Span} span
 */
const nameOf = ({ attributes: { projection = "search" }, name }) =>
  projection === "search" ? name : `${name} (${projection})`

/** @param {bigint} nanos */
const milliseconds = (nanos) => (Number(nanos) / 1e6).toFixed(1)

/**
 * @param {string} traceId
 * @param {ReadonlyArray<Span>} spans
 */
const showTrace = (traceId, spans) => {
  heading(`trace ${traceId}`)
  const tree = treeOf(spans)
  const first = tree[0]?.span.start ?? 0n
  const cell = (/** @type {Span} */ span, /** @type {string} */ key) => String(span.attributes[key] ?? "")
  table(
    ["span", "service", "worker", "attempt", "outcome", "begins ms", "ms"],
    tree.map(({ depth, span }) => [
      "  ".repeat(depth) + nameOf(span),
      span.service,
      span.instance,
      cell(span, "attempt"),
      cell(span, "outcome"),
      milliseconds(span.start - first),
      milliseconds(span.end - span.start)
    ]),
    new Set(["attempt", "begins ms", "ms"])
  )
}

/** @param {unknown} value */
const shown = (value) =>
  JSON.stringify(value, (_key, inner) => typeof inner === "bigint" ? String(inner) : inner) ?? "nothing"

/** @type {(found: string, name: string) => boolean} */
const findsOnce = (found, name) => {
  const { items = [] } = /** @type {{ items?: Array<{ title: string, version: number }> }} */ (JSON.parse(found))
  return items.length === 1 && items[0]?.title === name && items[0]?.version === 1
}

/**
 * @param {Evidence} evidence
 * @returns {Array<[passed: boolean, what: string, found: string]>}
 */
const checksOf = ({ after, attempts, before, found, metric, metricB, name, spans, traceId }) => {
  const [first, second] = attempts
  const a = processOf(spans, "worker-a")?.attributes ?? {}
  const b = processOf(spans, "worker-b")?.attributes ?? {}
  const edges = treeOf(spans).filter(({ depth }) => depth === 0).map(({ span }) => span.name)
  return [
    [
      after?.status === "done" && shown(before) === shown(after),
      "the row is done, and to the letter as worker-b left it",
      `before ${shown(before)}\n      after  ${shown(after)}`
    ],
    [
      attempts.length === 2 && attempts.every((attempt) => attempt.trace_id === traceId),
      "outbox_attempts has two attempts, both under the caller's trace",
      shown(attempts)
    ],
    [
      first?.attempt === 1 && first.worker === "worker-a" && first.outcome === "lease_lost",
      "attempt 1 is lease_lost, by worker-a",
      shown(first)
    ],
    [
      second?.attempt === 2 && second.worker === "worker-b" && second.outcome === "acked" && second.result === "ok",
      "attempt 2 is acked, by worker-b",
      shown(second)
    ],
    [/ 1(\.0)?$/.test(metric) && metricB === undefined, "worker-a counted one guard miss, worker-b none", metric],
    [
      a["outcome"] === "lease_lost" && a["ack_rows"] === 0 && a["result"] === "failed" && a["attempt"] === 1,
      "worker-a's span outbox.process says attempt=1 outcome=lease_lost ack_rows=0",
      shown(a)
    ],
    [
      b["outcome"] === "acked" && b["ack_rows"] === 1 && b["result"] === "ok" && b["attempt"] === 2,
      "worker-b's span outbox.process says attempt=2 outcome=acked ack_rows=1",
      shown(b)
    ],
    [edges.length === 1, "every span hangs under the caller's request, in one tree", `roots: ${edges.join(", ")}`],
    [findsOnce(found, name), "search finds the tag, once", found]
  ]
}

/**
 * Prints it all; true when every check passed.
 * @param {Evidence} evidence
 */
export const report = (evidence) => {
  showAttempts(evidence.attempts)
  heading("worker-a /metrics")
  console.log(`  ${evidence.metric}`)
  showTrace(evidence.traceId, evidence.spans)
  heading("checks")
  const checks = checksOf(evidence)
  for (const [passed, what, found] of checks) verdict(passed, what, found)
  const failed = checks.filter(([passed]) => !passed).length
  const said = failed === 0
    ? paint("green", "The zombie changed nothing.")
    : paint("red", `${failed} of ${checks.length} checks failed.`)
  console.log(`\n${said}`)
  return failed === 0
}
