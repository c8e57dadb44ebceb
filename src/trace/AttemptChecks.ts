/** Checks of the asynchronous half: every row's waits, attempts and outcomes, below the span that its row names. */
import { called, counted, type Finding, finding, skipped } from "./Finding.ts"
import { engines, isProjection } from "./SpanRules.ts"
import { isSettled, rowsOf, type RowStory, sameSpan, type StoryTrees } from "./Story.ts"
import { milliseconds, number, text, type TraceSpan, type Tree } from "./Trace.ts"

const noRows = skipped("it left no row")

const overRows = (
  trees: StoryTrees,
  judge: (row: RowStory, tree: Tree) => ReadonlyArray<string>,
  seen: (rows: ReadonlyArray<RowStory>) => string
): Finding => {
  const { request } = trees
  const rows = request === undefined ? [] : rowsOf(request)
  if (request === undefined || rows.length === 0) return noRows
  const problems = rows.flatMap((row) => judge(row, request))
  return finding(problems, problems.length === 0 ? seen(rows) : "")
}

const attemptsOf = (rows: ReadonlyArray<RowStory>) => rows.flatMap(({ attempts }) => attempts)
const seenAttempts = (rows: ReadonlyArray<RowStory>) =>
  rows.map(({ attempts, projection }) => `${projection} ${counted(attempts.length, "attempt")}`).join(", ")

export const halves = (trees: StoryTrees): Finding =>
  overRows(
    trees,
    ({ attempts, enqueue, projection, waits }) => [
      ...(attempts.length === 0
        ? [`${called(enqueue)} has no worker's half: neither outbox.process nor outbox.attempt_lost below it`]
        : []),
      ...[...attempts, ...waits].filter((span) => text(span, "projection") !== projection).map((span) =>
        `${called(span)} is below the row of ${projection}`
      )
    ],
    seenAttempts
  )

const outcomeOf = (attempt: TraceSpan) => text(attempt, "outcome") || "lost"

const isEnded = (attempt: TraceSpan) => isSettled(attempt) || text(attempt, "outcome") === "released"

/** A try that was not its row's own, as while the destination refuses everything, costs no attempt and says so. */
const isCounted = (attempt: TraceSpan) => attempt.attributes["counted"] !== false

/** A row's attempts count from one without a gap; a replayed row counts anew, what was given back does not count. */
const judgeNumbers = (row: RowStory): ReadonlyArray<string> => {
  const problems: Array<string> = []
  let highest = 0
  let mayRepeat = true
  for (const attempt of row.attempts) {
    const at = number(attempt, "attempt") ?? 0
    const isLost = attempt.name === "outbox.attempt_lost" || text(attempt, "outcome") === "lease_lost"
    if (at > highest + 1) {
      const missing = at - 1 === highest + 1 ? `${at - 1}` : `${highest + 1} to ${at - 1}`
      problems.push(`${called(attempt)} follows attempt ${highest}: attempt ${missing} is not told of`)
    } else if (at <= highest && !isLost && !mayRepeat) {
      problems.push(`${called(attempt)} follows attempt ${highest}: every attempt has its own number`)
    }
    mayRepeat = isEnded(attempt) || isLost || !isCounted(attempt)
    highest = isSettled(attempt) ? 0 : Math.max(highest, at)
  }
  return problems
}

export const attempts = (trees: StoryTrees): Finding => overRows(trees, judgeNumbers, seenAttempts)

const rounding = 5_000n
const skew = 100_000_000n
const apart = (nanos: bigint) => `${milliseconds(nanos < 0n ? -nanos : nanos).toFixed(3)} ms`

const claimedAt = (tree: Tree, process: TraceSpan) =>
  tree.childrenOf(process).find(({ name }) => name === "outbox.claim")?.end ?? process.start

const judgeWaits = (row: RowStory, tree: Tree): ReadonlyArray<string> => {
  const queues = row.waits.filter((wait) => text(wait, "reason") === "queue")
  const processes = row.attempts.filter(({ name }) => name === "outbox.process")
  const isNear = (a: bigint, b: bigint) => a - b <= rounding && b - a <= rounding
  const without = processes.filter((process) => !queues.some((wait) => isNear(wait.end, claimedAt(tree, process))))
  return without.map((process) => {
    const before = queues.findLast((wait) => wait.end <= claimedAt(tree, process) + rounding)
    const after = queues.find((wait) => wait.end > process.start)
    return before === undefined && after === undefined
      ? `${called(process)} has no outbox.wait before it`
      : before === undefined
      ? `${called(process)}: a negative gap, its outbox.wait ends ${apart(after!.end - claimedAt(tree, process))} later`
      : `${called(process)}: no outbox.wait ends with its claim, the last one ended ` +
        `${apart(claimedAt(tree, process) - before.end)} before`
  })
}

/** After a failure comes its back-off, and it begins where the attempt was settled. */
const judgeBackoffs = (row: RowStory, tree: Tree): ReadonlyArray<string> => {
  const backoffs = row.waits.filter((wait) => text(wait, "reason") === "backoff")
  return row.attempts.flatMap((attempt, at) => {
    if (text(attempt, "outcome") !== "retry_scheduled" || row.attempts[at + 1]?.name !== "outbox.process") return []
    const settledFrom = tree.childrenOf(attempt).find(({ name }) => name === "outbox.ack")?.start ?? attempt.end
    const next = row.attempts[at + 1]!
    const own = backoffs.find((wait) => wait.start + skew >= settledFrom && wait.start <= next.end)
    if (own === undefined) {
      const early = backoffs.find((wait) => wait.start < settledFrom && wait.end > attempt.start)
      return early === undefined
        ? []
        : [
          `${called(early)}: a negative gap, it begins ${
            apart(settledFrom - early.start)
          } before its attempt is settled`
        ]
    }
    return []
  })
}

export const waits = (trees: StoryTrees): Finding =>
  overRows(
    trees,
    (row, tree) => [...judgeWaits(row, tree), ...judgeBackoffs(row, tree)],
    (rows) => {
      const told = rows.flatMap((row) => row.waits)
      const of = (reason: string) =>
        milliseconds(
          told.filter((wait) => text(wait, "reason") === reason).reduce((sum, { end, start }) => sum + end - start, 0n)
        ).toFixed(1)
      return `${of("queue")} ms in the queue, ${of("backoff")} ms of back-off`
    }
  )

/** Whoever was answered by the engine has asked it; a mapping of another version is found without a write. */
const hasCalled = (process: TraceSpan) =>
  ["acked", "superseded"].includes(text(process, "outcome")) ||
  /^es_(?!mapping_foreign)/.test(text(process, "error.type"))

const judgeSteps = (process: TraceSpan, tree: Tree, projection: string): ReadonlyArray<string> => {
  const children = tree.childrenOf(process)
  const count = (name: string) => children.filter((child) => child.name === name).length
  const hasFailed = text(process, "error.type") !== "" && text(process, "outcome") !== "lease_lost"
  const once = ["outbox.claim", "outbox.ack"].filter((name) => count(name) !== 1).map((name) =>
    `${called(process)} has ${count(name)} × ${name}, not one`
  )
  const names: ReadonlyArray<string> = isProjection(projection) ? engines[projection] : []
  const hasCall = children.some(({ name }) => names.includes(name))
  const ack = children.find(({ name }) => name === "outbox.ack")
  return [
    ...once,
    ...(hasCalled(process) && !hasCall
      ? [`${called(process)} is ${outcomeOf(process)} without ${names.join(" or ")}`]
      : []),
    ...(count("outbox.classify_error") === (hasFailed ? 1 : 0)
      ? []
      : [
        `${called(process)} has ${
          count("outbox.classify_error")
        } × outbox.classify_error: one after a failure, else none`
      ]),
    ...(ack !== undefined && number(ack, "rows") !== number(process, "ack_rows")
      ? [`${called(process)} has ack_rows=${text(process, "ack_rows")}, its outbox.ack rows=${text(ack, "rows")}`]
      : [])
  ]
}

const processesOf = ({ attempts }: RowStory) => attempts.filter(({ name }) => name === "outbox.process")

export const steps = (trees: StoryTrees): Finding =>
  overRows(
    trees,
    (row, tree) => processesOf(row).flatMap((process) => judgeSteps(process, tree, row.projection)),
    (rows) => `${counted(rows.flatMap(processesOf).length, "attempt")}: claim, engine, acknowledgement`
  )

const failures = new Set(["retry_scheduled", "dead_lettered", "lease_lost"])

const judgeOutcome = (process: TraceSpan, row: RowStory): ReadonlyArray<string> => {
  const outcome = text(process, "outcome")
  const result = text(process, "result")
  const rows = number(process, "ack_rows")
  const isHeld = outcome !== "lease_lost"
  return [
    ...(result === (failures.has(outcome) ? "failed" : "ok")
      ? []
      : [`${called(process)} is ${outcome}, but result=${result}`]),
    ...(rows === (isHeld ? 1 : 0) ? [] : [`${called(process)} is ${outcome}, but ack_rows=${rows}`]),
    ...(outcome === "retry_scheduled" && text(process, "retry_reason") === ""
      ? [`${called(process)} is retried, but does not say why: retry_reason`]
      : []),
    ...(outcome === "dead_lettered" && row.buried.length === 0
      ? [`${called(process)} is dead_lettered, but no outbox.dead_letter is beside it`]
      : [])
  ]
}

export const outcomes = (trees: StoryTrees): Finding =>
  overRows(
    trees,
    (row) => processesOf(row).flatMap((process) => judgeOutcome(process, row)),
    (rows) => attemptsOf(rows).map(outcomeOf).join(", ")
  )

/** The last attempt says how it ended: a row that is still tried is no whole story yet. */
export const settled = (trees: StoryTrees): Finding =>
  overRows(
    trees,
    ({ attempts, buried, enqueue }) => {
      const last = attempts.findLast((attempt) => text(attempt, "outcome") !== "lease_lost")
      if (last === undefined || isSettled(last)) return []
      if (last.name === "outbox.attempt_lost" && buried.length > 0) return []
      const how = outcomeOf(last)
      return [`${called(enqueue)}: its last attempt is ${how}, and nothing came after ${called(last)}`]
    },
    (rows) =>
      rows.map(({ attempts, projection }) => `${projection} ${attempts.slice(-1).map(outcomeOf).join()}`).join(", ")
  )

const judgeLinks = (process: TraceSpan, trees: StoryTrees): ReadonlyArray<string> => {
  const links = process.links.filter(({ traceId }) => traceId !== process.traceId)
  if (links.length === 0) return [`${called(process)} links to no batch`]
  return links.flatMap((link) => {
    const tree = trees.workers.find(({ id }) => id === link.traceId)
    if (tree === undefined) {
      return [`${called(process)} links to the trace ${link.traceId}, which the store does not have`]
    }
    const batch = tree.spans.find((span) => sameSpan(span, link))
    if (batch?.name !== "projection.process_batch") {
      return [`${called(process)} links to ${batch?.name ?? `${link.spanId}, which is not there`}, not to a batch`]
    }
    return batch.links.some((back) => sameSpan(back, process)) || (number(batch, "links_dropped") ?? 0) > 0
      ? []
      : [`${called(batch)} does not link back to ${called(process)}`]
  })
}

export const links = (trees: StoryTrees): Finding =>
  overRows(
    trees,
    (row) => processesOf(row).flatMap((process) => judgeLinks(process, trees)),
    (rows) => `${counted(rows.flatMap(processesOf).length, "attempt")}, both ways`
  )
