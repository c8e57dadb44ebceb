/** An explanation as a terminal shows it: the verdict, the five answers, where the time went, what to do. */
import type {
  Answer,
  Delivery,
  ExplainedChange,
  Explanation,
  Segment,
  Verdict
} from "../../../src/explain/Explanation.ts"
import { duration } from "../../../src/explain/Say.ts"
import * as Output from "./Output.ts"

type Paint = (text: string) => string

const plain: Paint = (text) => text

const waits: ReadonlySet<Verdict> = new Set(["waiting", "leased", "backing_off", "not_refreshed", "fan_out"])

const colorOf = ({ in_place, verdict }: { readonly in_place: boolean | null; readonly verdict: Verdict }): Paint =>
  in_place === true ? Output.green : in_place === null || waits.has(verdict) ? Output.yellow : Output.red

const marks = {
  yes: () => Output.green("yes"),
  no: () => Output.red("no "),
  unknown: () => Output.yellow("?  ")
} as const

const asks = {
  source_of_truth: "in the database?",
  outbox: "in the outbox?",
  worker: "handled by a worker?",
  index: "in the index?",
  lag: "lag as usual?"
} as const

const answerLine = ({ answer, question, text }: Answer): string =>
  `  ${marks[answer]()}  ${asks[question].padEnd(21)}${text}`

const width = 40

const bars: Readonly<Partial<Record<Segment["stage"], string>>> = {
  queue: "░",
  backoff: "▒",
  replay: "░",
  refresh: "░"
}
const paints: Readonly<Partial<Record<Segment["stage"], Paint>>> = {
  queue: Output.dim,
  replay: Output.dim,
  backoff: Output.yellow,
  attempts: Output.red,
  engine: Output.bold
}

/** Every part can be seen, however short it was. */
const barOf = ({ ms, offset_ms, stage }: Segment, total: number): string => {
  const scale = (value: number) => total <= 0 ? 0 : Math.round(value / total * width)
  const from = Math.min(width - 1, scale(offset_ms))
  const to = Math.max(from + 1, Math.min(width, scale(offset_ms + ms)))
  const bar = (bars[stage] ?? "█").repeat(to - from)
  return `${" ".repeat(from)}${(paints[stage] ?? plain)(bar)}${" ".repeat(width - to)}`
}

const segmentLine = (total: number) => (segment: Segment): string => {
  const name = segment.attempt === null ? segment.stage : `${segment.stage} ${segment.attempt}`
  const took = `${duration(segment.ms)}${segment.open ? " …" : ""}`
  return `  ${name.padEnd(12)}│${barOf(segment, total)}│ ${took.padStart(10)}  ${Output.dim(segment.text)}`
}

const shownMax = 24

/** Of a row that was tried very often the beginning and the end are shown. */
const waterfall = ({ projection, slow, spent, timeline }: Delivery): ReadonlyArray<string> => {
  if (timeline.length === 0) return []
  const line = segmentLine(spent.total)
  const hidden = timeline.length - shownMax
  const lines = hidden <= 0
    ? timeline.map(line)
    : [
      ...timeline.slice(0, shownMax / 2).map(line),
      Output.dim(`  … ${hidden} more parts, all of them with --json`),
      ...timeline.slice(-shownMax / 2).map(line)
    ]
  return [
    "",
    Output.bold(`where the time went: ${projection}, ${duration(spent.total)}`),
    ...lines,
    ...(slow === null ? [] : ["", `${Output.yellow(`slow (${slow.cause}):`)} ${slow.sentence}`])
  ]
}

const nextSteps = ({ steps }: Pick<ExplainedChange, "steps">): ReadonlyArray<string> =>
  steps.length === 0
    ? []
    : [
      "",
      Output.bold("next"),
      ...steps.flatMap(({ command, text }) => [
        `  ${text}`,
        ...(command === null ? [] : [`    $ ${command}`])
      ])
    ]

const otherLine = (delivery: Delivery): string => `${colorOf(delivery)(`${delivery.projection}:`)} ${delivery.sentence}`

const traceLines = ({ request_id, trace_id, trace_url }: ExplainedChange): ReadonlyArray<string> => [
  ...(request_id === null ? [] : [`request ${request_id}`]),
  ...(trace_id === null ? [] : [`trace   ${trace_id}${trace_url === null ? "" : `  ${trace_url}`}`])
]

const changeText = (change: ExplainedChange): ReadonlyArray<string> => {
  const [first, ...others] = change.deliveries
  const also = others.map(otherLine)
  const links = traceLines(change)
  return [
    colorOf(change)(Output.bold(change.sentence)),
    "",
    ...change.answers.map(answerLine),
    ...(first === undefined ? [] : waterfall(first)),
    ...nextSteps(change),
    ...(also.length + links.length === 0 ? [] : ["", ...also, ...links.map(Output.dim)])
  ]
}

/** What waits can be looked at in full; of several changes the worst one is. */
export const textOf = (explanation: Explanation): string => {
  const { changes, more, sentence } = explanation
  const [worst, ...others] = changes
  if (worst === undefined) return [Output.red(Output.bold(sentence)), ...nextSteps(explanation)].join("\n")
  const rest = others.map((change) => `  ${colorOf(change)(change.verdict.padEnd(14))} ${change.sentence}`)
  return [
    ...(others.length === 0 ? [] : [Output.bold(sentence), ""]),
    ...changeText(worst),
    ...(rest.length === 0 ? [] : ["", Output.bold("the others"), ...rest]),
    ...(more ? [`  and more, not shown`] : [])
  ].join("\n")
}
