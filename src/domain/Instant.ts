/** A time as people and programs write it, and PostgreSQL reads it: RFC 3339, with its offset. */
import { DateTime, Option, Schema } from "effect"

/** JavaScript takes 30 February for 2 March; PostgreSQL refuses it, and years and offsets beyond these. */
const onCalendar = (value: string) => {
  const day = value.slice(0, 10)
  const isDay = Option.exists(DateTime.make(day), (at) => DateTime.formatIsoDateUtc(at) === day)
  return isDay && Option.isSome(DateTime.make(value))
}
const instant = /^[1-9]\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-](0\d|1[0-4]):[0-5]\d)$/
export const instantAllowed = "must be a time such as 2026-01-31T12:00:00Z"
export const Instant = Schema.String.check(
  Schema.isPattern(instant, { message: instantAllowed }),
  Schema.makeFilter((value) => !instant.test(value) || onCalendar(value) ? undefined : instantAllowed)
)
