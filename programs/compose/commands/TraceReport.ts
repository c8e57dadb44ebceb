/** What `wordloom trace verify` found, for people and for programs, and as the files of a snapshot. */
import { DateTime } from "effect"
import { stripVTControlCharacters } from "node:util"
import type { Verified } from "../../../src/trace/Gather.ts"
import type { Evidence, SetReport } from "../../../src/trace/Snapshots.ts"
import { milliseconds, type Trace } from "../../../src/trace/Trace.ts"
import { type Check, hasPassed } from "../../../src/trace/Verify.ts"
import { waterfall } from "../../../src/trace/Waterfall.ts"
import * as Output from "./Output.ts"

interface Run {
  readonly backend: string
  readonly service: string
  readonly operation: string
  readonly traceId: string | undefined
  readonly lab: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface Report extends SetReport {
  readonly asked: Readonly<Record<string, string>>
  /** The trace that the snapshot's picture shows. */
  readonly shown: string
  readonly stories: ReadonlyArray<unknown>
}

const words = { Passed: "PASS", Failed: "FAIL", Skipped: "skip" } as const
const colors = { Passed: Output.green, Failed: Output.red, Skipped: Output.dim } as const

const columns: ReadonlyArray<Output.Column<Check>> = [
  { title: "CHECK", text: ({ name }) => name },
  { title: "", text: ({ finding }) => words[finding._tag], color: ({ finding }) => colors[finding._tag] },
  { title: "WHAT", text: ({ says }) => says },
  {
    title: "SEEN",
    text: ({ finding }) =>
      finding._tag === "Passed"
        ? finding.seen
        : finding._tag === "Skipped"
        ? finding.why
        : `${finding.problems.length} wrong`,
    color: () => Output.dim
  }
]

const verdictOf = (checks: ReadonlyArray<Check>) => hasPassed(checks) ? "PASS" : "FAIL"
const mainTrace = ({ story }: Verified): Trace | undefined => story.request ?? story.workers[0]

const beginning = (trace: Trace) =>
  trace.spans.find(({ parentId }) => parentId === undefined) ??
    trace.spans.find(({ parentId }) => !trace.spans.some(({ spanId }) => spanId === parentId))

const lastsMs = ({ spans }: Trace) => {
  const from = spans.reduce((least, { start }) => start < least ? start : least, spans[0]?.start ?? 0n)
  const to = spans.reduce((most, { end }) => end > most ? end : most, from)
  return milliseconds(to - from)
}

const painted = (verdict: "PASS" | "FAIL") => verdict === "PASS" ? Output.green(verdict) : Output.red(verdict)

const headOf = (verified: Verified) => {
  const { checks, story } = verified
  const trace = mainTrace(verified)
  if (trace === undefined) return `${painted(verdictOf(checks))}  ${story.absent.join(", ")} is not there`
  const name = beginning(trace)?.name ?? "nothing"
  const services = new Set([trace, ...story.workers].flatMap(({ spans }) => spans.map(({ service }) => service)))
  return `${painted(verdictOf(checks))}  trace ${trace.id}  ${name}: ${trace.spans.length} spans of ` +
    `${services.size} services, ${story.workers.length} batches, ${lastsMs(trace).toFixed(1)} ms`
}

/** Names and messages come from a store that anybody may write to. */
const clean = (problem: string) => problem.replaceAll(/\p{Cc}+/gu, " ")

const problemsOf = ({ checks }: Verified) =>
  checks.flatMap(({ finding, name }) =>
    finding._tag === "Failed" ? finding.problems.map((problem) => `  ${Output.red(name)}: ${clean(problem)}`) : []
  )

/** The chosen trace check by check; of the others their verdict, and what is wrong. */
export const told = (all: ReadonlyArray<Verified>, shown: Verified): string => {
  const others = all.filter((verified) => verified !== shown)
  return [
    headOf(shown),
    "",
    Output.table(columns, shown.checks),
    ...problemsOf(shown),
    ...(others.length === 0 ? [] : [""]),
    ...others.flatMap((other) => [headOf(other), ...problemsOf(other)])
  ].join("\n")
}

const checkJson = ({ finding, name, says }: Check) => ({
  check: name,
  verdict: words[finding._tag].toUpperCase(),
  says,
  ...(finding._tag === "Passed"
    ? { seen: finding.seen }
    : finding._tag === "Failed"
    ? { problems: finding.problems }
    : { why: finding.why })
})

const storyJson = (verified: Verified) => ({
  verdict: verdictOf(verified.checks),
  trace_id: verified.story.request?.id ?? null,
  worker_trace_ids: verified.story.workers.map(({ id }) => id),
  absent_trace_ids: verified.story.absent,
  checks: verified.checks.map(checkJson)
})

/** One change was asked for, by its trace or by its request, or what a worker did. */
const evidenceOf = ({ operation, traceId }: Run): Evidence =>
  traceId !== undefined || /^[A-Z]+ \//.test(operation) ? "end-to-end" : "pass"

export const toJson = (all: ReadonlyArray<Verified>, shown: Verified, run: Run): Report => ({
  lab: run.lab,
  taken_at: DateTime.formatIso(DateTime.makeUnsafe(run.at)),
  evidence: evidenceOf(run),
  verdict: all.every(({ checks }) => hasPassed(checks)) ? "PASS" : "FAIL",
  asked: {
    backend: run.backend,
    ...(run.traceId === undefined ? { service: run.service, operation: run.operation } : { trace_id: run.traceId })
  },
  shown: mainTrace(shown)?.id ?? "nothing",
  stories: all.map(storyJson)
})

/** The files of a snapshot; the traces are what the store answered, to the letter. */
export const filesOf = (all: ReadonlyArray<Verified>, shown: Verified, report: Report) => {
  const trace = mainTrace(shown)
  return {
    "report.json": `${JSON.stringify(report, undefined, 2)}\n`,
    "report.txt": `${stripVTControlCharacters(told(all, shown))}\n`,
    "trace.json": `${JSON.stringify({ request: shown.request ?? null, workers: shown.workers })}\n`,
    ...(trace === undefined ? {} : { "waterfall.svg": waterfall(trace, verdictOf(shown.checks)) })
  }
}
