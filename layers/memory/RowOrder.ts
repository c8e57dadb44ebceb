/** Which rows of a lane come next, and how the rows of one entity keep their order: plain values, no IO. */
import type { DatabaseMicros } from "../../src/outbox/Leases.ts"
import { isOrdered } from "../../src/outbox/Projection.ts"
import type { Row } from "./OutboxRow.ts"

const isFresh = ({ state }: Row): boolean => state._tag === "Fresh"
const isWaiting = ({ state }: Row): boolean => state._tag === "Waiting"
const isAlone = ({ state }: Row): boolean => state._tag === "Alone"
/** Whether or not it is in flight, as long as it is to be tried by itself. */
export const isAloneDue = (row: Row, now: DatabaseMicros): boolean => isAlone(row) && row.readyAt <= now
const wasTried = (row: Row): boolean => isWaiting(row) || isAlone(row)

const byDue = (a: Row, b: Row): number => a.readyAt - b.readyAt || a.id - b.id

/** The rows of its entity that were tried and are to be tried again. */
const triedOf = (row: Row, backlog: ReadonlyArray<Row>): ReadonlyArray<Row> =>
  isOrdered[row.projection]
    ? backlog.filter((other) => other !== row && other.change.id === row.change.id && wasTried(other))
    : []

/** Of one lane's rows: first what waited out its delay, then what was never tried, each the oldest first. */
export const dueOf = (rows: ReadonlyArray<Row>, now: DatabaseMicros): ReadonlyArray<Row> => {
  const isNext = (row: Row) =>
    !triedOf(row, rows).some((other) => other.id < row.id && (isAlone(other) || other.readyAt > row.readyAt))
  const waited = rows.filter((row) => isWaiting(row) && row.readyAt <= now).filter(isNext)
  return [...waited.toSorted(byDue), ...rows.filter(isFresh).toSorted((a, b) => a.id - b.id)]
}

export const aloneOf = (rows: ReadonlyArray<Row>, now: DatabaseMicros): ReadonlyArray<Row> =>
  rows
    .filter((row) => isAloneDue(row, now))
    .filter((row) => !triedOf(row, rows).some((other) => other.id < row.id))
    .toSorted(byDue)
    .slice(0, 1)

/** Whether it would be told while an earlier row of its entity is left out. */
export const overtakes = (row: Row, backlog: ReadonlyArray<Row>, seen: ReadonlyArray<Row>): boolean =>
  wasTried(row) && triedOf(row, backlog).some((other) => other.id < row.id && !seen.includes(other))

/** A row that was never tried stays behind those of its entity that are tried again, and waits as long as they do. */
export const heldBack = (row: Row, backlog: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const before = isFresh(row) ? triedOf(row, backlog) : []
  if (before.length === 0) return []
  return [{ ...row, state: { _tag: "Waiting" }, readyAt: Math.max(...before.map(({ readyAt }) => readyAt)) }]
}

/** The later rows of what came `back`, which must not become due before it. */
export const postponed = (back: ReadonlyArray<Row>, backlog: ReadonlyArray<Row>): ReadonlyArray<Row> =>
  backlog.flatMap((row) => {
    if (!isOrdered[row.projection] || !wasTried(row)) return []
    const failed = back.filter((each) => each.change.id === row.change.id)
    const readyAt = Math.max(...failed.map((each) => each.readyAt))
    const isLater = failed.length > 0 && failed.every(({ id }) => id < row.id)
    return isLater && row.readyAt < readyAt ? [{ ...row, readyAt }] : []
  })
