/** What the last lines of a log say of themselves: are they JSON, and do those of a request name its trace; no IO. */
import { excerpt } from "../domain/Text.ts"
import { fieldsOf, readLine } from "../trace/LogLine.ts"

export interface LogFacts {
  /** Without blank ones. */
  readonly lines: number
  readonly noJson: number
  /** The first of those; empty when there is none. */
  readonly stray: string
  /** Inside a request, and with the ids of its trace. */
  readonly traced: number
  readonly untraced: number
  /** Services none of whose lines inside a request has them: what is quiet (a probe) names a request, but no trace. */
  readonly untracedServices: ReadonlyArray<string>
}

/** As many as are looked at, from the end. */
export const logLinesMax = 1_000
const strayMax = 80
const servicesMax = 20

export const logFactsOf = (lines: ReadonlyArray<string>): LogFacts => {
  const told = lines.filter((line) => line.trim() !== "").slice(-logLinesMax)
  const read = told.map((line) => ({ line, fields: fieldsOf(line), reading: readLine(line) }))
  const strays = read.filter(({ fields }) => fields === undefined)
  const inside = read.flatMap(({ fields = {}, reading }) => {
    if (typeof (fields["request_id"] ?? fields["x_request_id"]) !== "string") return []
    const service = fields["service.name"]
    return [{ service: typeof service === "string" ? service : "unknown", isTraced: typeof reading !== "string" }]
  })
  const traced = new Set(inside.filter(({ isTraced }) => isTraced).map(({ service }) => service))
  const services = new Set(inside.map(({ service }) => service).filter((service) => !traced.has(service)))
  const count = inside.filter(({ isTraced }) => isTraced).length
  return {
    lines: told.length,
    noJson: strays.length,
    stray: excerpt((strays[0]?.line ?? "").replaceAll(/\p{Cc}+/gu, " "), strayMax),
    traced: count,
    untraced: inside.length - count,
    untracedServices: [...services].slice(0, servicesMax).map((service) => excerpt(service, strayMax))
  }
}
