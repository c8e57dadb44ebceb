/** `wordloom outbox stats`, `pause` and `resume`: how the projections stand, and whether they go on. */
import { Effect, Layer, Schema } from "effect"
import * as OutboxReportPostgres from "../../../layers/postgres/OutboxReportPostgres.ts"
import * as ProjectionControlPostgres from "../../../layers/postgres/ProjectionControlPostgres.ts"
import { OutboxReport } from "../../../src/outbox/OutboxReport.ts"
import type { Projection } from "../../../src/outbox/Projection.ts"
import { ProjectionControl } from "../../../src/outbox/ProjectionControl.ts"
import {
  PauseReason,
  type ProjectionControlled,
  type ProjectionStatus,
  shownState,
  statusesOf
} from "../../../src/outbox/ProjectionStatus.ts"
import * as Backend from "./Backend.ts"
import { wrongUsage } from "./ExitCode.ts"
import * as Output from "./Output.ts"

const connected = Effect.provide(
  Layer.mergeAll(OutboxReportPostgres.layer, ProjectionControlPostgres.layer).pipe(
    Layer.provideMerge(Backend.layerKept)
  )
)

const number = (value: number) => value.toLocaleString("en")

/** In the unit that a person would say. */
const seconds = (value: number) =>
  value < 1
    ? `${Math.round(value * 1_000)} ms`
    : value < 120
    ? `${value.toFixed(1)} s`
    : value < 7_200
    ? `${Math.round(value / 60)} min`
    : `${(value / 3_600).toFixed(1)} h`

const since = ({ paused_at, paused_reason }: ProjectionControlled) =>
  `since ${paused_at}${paused_reason === null ? "" : `: ${paused_reason}`}`

const stateOf = (row: ProjectionControlled) =>
  row.paused
    ? `paused ${since(row)}`
    : row.breakers.length === 0
    ? "running"
    : row.breakers.some(({ state }) => state === "open")
    ? "breaker open"
    : "breaker half open"

const colorOf = (row: ProjectionControlled) =>
  row.breakers.length > 0 && !row.paused ? Output.red : row.paused ? Output.yellow : Output.dim

const right = "right" as const

/** Nothing was finished: nobody knows. */
const lagOf = (percentile: "p50" | "p95" | "p99") => ({ done, lag_seconds }: ProjectionStatus) =>
  done === 0 ? "-" : seconds(lag_seconds[percentile])

const statsColumns: ReadonlyArray<Output.Column<ProjectionStatus>> = [
  { title: "PROJECTION", text: ({ projection }) => projection, color: () => Output.bold },
  { title: "PENDING", text: ({ pending }) => number(pending), align: right },
  { title: "PROCESSING", text: ({ processing }) => number(processing), align: right },
  { title: "DONE", text: ({ done }) => number(done), align: right },
  {
    title: "DEAD",
    text: ({ dead }) => number(dead),
    align: right,
    color: ({ dead }) => dead > 0 ? Output.red : Output.dim
  },
  { title: "OLDEST", text: (row) => row.pending === 0 ? "-" : seconds(row.oldest_pending_age_seconds), align: right },
  { title: "LAG P50", text: lagOf("p50"), align: right },
  { title: "P95", text: lagOf("p95"), align: right },
  { title: "P99", text: lagOf("p99"), align: right },
  { title: "STATE", text: stateOf, color: colorOf }
]

type Breaker = ProjectionControlled["breakers"][number] & { readonly projection: Projection }

const breakerColumns: ReadonlyArray<Output.Column<Breaker>> = [
  { title: "PROJECTION", text: ({ projection }) => projection, color: () => Output.bold },
  { title: "WORKER", text: ({ worker }) => worker },
  {
    title: "BREAKER",
    text: ({ state }) => state === "open" ? "open" : "half open",
    color: ({ state }) => state === "open" ? Output.red : Output.yellow
  },
  { title: "NEXT TRY", text: ({ retry_at }) => retry_at },
  { title: "ERROR", text: ({ error_type }) => error_type, color: () => Output.red },
  { title: "DETAIL", text: ({ detail }) => detail, color: () => Output.dim }
]

export const stats = Effect.fnUntraced(function*({ json }: { readonly json: boolean }) {
  const [report, control] = [yield* OutboxReport, yield* ProjectionControl]
  const projections = yield* Effect.zipWith(report.stats, control.states, statusesOf)
  if (json) return yield* Output.printJson({ projections })
  yield* Output.print(Output.table(statsColumns, projections))
  const breakers = projections.flatMap(({ breakers, projection }) => breakers.map((one) => ({ ...one, projection })))
  if (breakers.length > 0) yield* Output.print(`\n${Output.table(breakerColumns, breakers)}`)
}, connected)

const reasonOf = (text: string | undefined) =>
  text === undefined
    ? Effect.succeed(null)
    : Effect.mapError(
      Schema.decodeUnknownEffect(PauseReason)(text),
      () => wrongUsage("--reason must be at most 256 characters")
    )

const steered = (
  projection: Projection,
  json: boolean,
  steer: (control: ProjectionControl["Service"]) => ReturnType<ProjectionControl["Service"]["resume"]>,
  tell: (state: ProjectionControlled) => string
) =>
  ProjectionControl.use((control) =>
    Effect.andThen(steer(control), control.states).pipe(
      Effect.map((states) => shownState(projection, states)),
      Effect.flatMap((state) => json ? Output.printJson(state) : Output.print(tell(state)))
    )
  ).pipe(connected)

export const pause = Effect.fnUntraced(function*(input: {
  readonly projection: Projection
  readonly reason: string | undefined
  readonly json: boolean
}) {
  const reason = yield* reasonOf(input.reason)
  const told = (state: ProjectionControlled) => `${input.projection} is paused ${since(state)}`
  yield* steered(input.projection, input.json, (control) => control.pause(input.projection, reason), told)
})

export const resume = ({ json, projection }: { readonly projection: Projection; readonly json: boolean }) =>
  steered(projection, json, (control) => control.resume(projection), () => `${projection} goes on`)
