/** A picture of one change's trace (SVG): waits, back-off and attempts drawn apart, on one time line; pure. */
import { escaped as escapedText, excerpt } from "../domain/Text.ts"
import { milliseconds, type Placed, text, type Trace, type TraceSpan, treeOf } from "./Trace.ts"

interface Look {
  readonly of: string
  readonly legend: string
  readonly stroke: string
  readonly fill: string
  readonly dash?: string
}

const looks = {
  request: { of: "request", legend: "request", stroke: "#1f77b4", fill: "#1f77b4" },
  queue: { of: "queue", legend: "in the queue", stroke: "#8a8f98", fill: "url(#queue)", dash: "3 2" },
  backoff: { of: "backoff", legend: "back-off", stroke: "#c98500", fill: "url(#backoff)", dash: "3 2" },
  attempt: { of: "attempt", legend: "attempt", stroke: "#2a9d5c", fill: "#2a9d5c55" },
  failed: { of: "failed", legend: "failed attempt", stroke: "#d1383d", fill: "#d1383d55" },
  lost: { of: "lost", legend: "lost attempt", stroke: "#d1383d", fill: "url(#lost)", dash: "6 3" },
  step: { of: "step", legend: "step", stroke: "#7c5cc4", fill: "#7c5cc4" }
} as const satisfies Readonly<Record<string, Look>>

const lookOf = (span: TraceSpan): Look => {
  if (span.name === "outbox.wait") return text(span, "reason") === "backoff" ? looks.backoff : looks.queue
  if (span.name === "outbox.attempt_lost") return looks.lost
  if (span.name === "outbox.process") return span.failed ? looks.failed : looks.attempt
  if (span.name === "outbox.dead_letter") return looks.failed
  if (span.attributes["projection"] === undefined || span.name === "outbox.enqueue") return looks.request
  return span.failed ? looks.failed : looks.step
}

/** XML has no way to write most control characters. */
const escaped = (value: string) => escapedText(value.replaceAll(/[\p{Cc}\ufffe\uffff]/gu, " "))

const rowHeight = 24
const left = 360
const right = 900
const width = 1_000
/** A picture of more rows is not looked at, but scrolled. */
const rowsMax = 200
const labelMax = 44

const labelOf = ({ span }: Placed) => {
  const { attempt, outcome, projection } = span.attributes
  const isRow = span.name === "outbox.enqueue"
  const marks = span.name === "outbox.process"
    ? [`#${attempt}`, outcome, text(span, "retry_reason")]
    : span.name === "outbox.attempt_lost"
    ? [`#${attempt}`]
    : span.name === "outbox.wait"
    ? [text(span, "reason")]
    : isRow
    ? [projection]
    : span.name.startsWith("db.") && span.attributes["table"] !== undefined
    ? [text(span, "table")]
    : []
  return excerpt([span.name, ...marks.filter((mark) => mark !== undefined && mark !== "")].join(" "), labelMax)
}

const duration = (span: TraceSpan) => {
  const ms = milliseconds(span.end - span.start)
  return ms >= 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${ms.toFixed(1)} ms`
}

const style = `<style>text{fill:#222}.m{fill:#666}.w{fill:#b3261e}line{stroke:#ddd}.b{fill:#fff}` +
  `@media (prefers-color-scheme:dark){text{fill:#ddd}.m{fill:#999}.w{fill:#ff8a80}line{stroke:#444}.b{fill:#16181c}}` +
  `</style>`

const hatch = (id: string, color: string) =>
  `<pattern id="${id}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
  `<rect width="2" height="6" fill="${color}"/></pattern>`

const defs = `<defs>${hatch("queue", "#8a8f98")}${hatch("backoff", "#c98500")}${hatch("lost", "#d1383d")}</defs>`

interface Line {
  readonly from: bigint
  readonly to: bigint
}

const lineOf = (spans: ReadonlyArray<TraceSpan>): Line => {
  const [first] = spans
  return spans.reduce<Line>((line, { end, start }) => ({
    from: start < line.from ? start : line.from,
    to: end > line.to ? end : line.to
  }), { from: first?.start ?? 0n, to: first?.end ?? 1n })
}

const xOf = ({ from, to }: Line, at: bigint) => {
  const whole = Number(to - from) || 1
  return left + (right - left) * (Number(at - from) / whole)
}

const axis = (line: Line, bottom: number) =>
  [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const x = (left + (right - left) * part).toFixed(1)
    const ms = milliseconds(line.to - line.from) * part
    return `<line x1="${x}" x2="${x}" y1="50" y2="${bottom}"/>` +
      `<text class="m" x="${x}" y="44" text-anchor="middle">${ms.toFixed(0)} ms</text>`
  }).join("")

const bar = (placed: Placed, line: Line, at: number, isOrphan: boolean) => {
  const { depth, span } = placed
  const y = 56 + at * rowHeight
  const look = lookOf(span)
  const x = xOf(line, span.start)
  const long = Math.max(2, xOf(line, span.end) - x)
  const dash = look.dash === undefined ? "" : ` stroke-dasharray="${look.dash}"`
  const told = [span.service, span.name, duration(span), span.message].filter((part) => part !== "").join(" · ")
  return `<g class="${look.of}"><title>${escaped(told)}</title>` +
    `<text x="${8 + Math.min(depth, 8) * 16}" y="${y + 11}"${isOrphan ? ` class="w"` : ""}>${
      escaped(labelOf(placed))
    }</text>` +
    `<rect x="${x.toFixed(1)}" y="${y}" width="${long.toFixed(1)}" height="14" rx="2" fill="${look.fill}" ` +
    `stroke="${look.stroke}"${dash}/>` +
    `<text class="m" x="${(x + long + 5).toFixed(1)}" y="${y + 11}">${duration(span)}</text></g>`
}

const legend = (used: ReadonlyArray<Look>, y: number) =>
  used.map((look, at) =>
    `<rect x="${8 + at * 140}" y="${y}" width="14" height="14" rx="2" fill="${look.fill}" stroke="${look.stroke}"/>` +
    `<text class="m" x="${28 + at * 140}" y="${y + 11}">${look.legend}</text>`
  ).join("")

/** `verdict` stands in its title; spans whose parent is missing are told above it. */
export const waterfall = (trace: Trace, verdict: string): string => {
  const tree = treeOf(trace)
  const orphans = new Set(tree.tops.filter(({ kind, parentId }) => parentId !== undefined && kind !== "server"))
  const rows = tree.placed.slice(0, rowsMax)
  const more = tree.placed.length - rows.length
  const line = lineOf(trace.spans)
  const bottom = 56 + rows.length * rowHeight
  const used = [...new Set(rows.map(({ span }) => lookOf(span)))]
  const height = bottom + 60
  const title = `${verdict} ${tree.tops[0]?.name ?? "nothing"}, trace ${trace.id}`
  const banner = orphans.size === 0
    ? ""
    : `<text class="w" x="${
      width - 8
    }" y="20" text-anchor="end">${orphans.size} span(s) hang below one that is missing</text>`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="${escaped(title)}">${style}${defs}` +
    `<rect class="b" width="100%" height="100%"/><text x="8" y="20">${escaped(title)}</text>${banner}` +
    axis(line, bottom) + rows.map((placed, at) => bar(placed, line, at, orphans.has(placed.span))).join("") +
    (more === 0 ? "" : `<text class="m" x="8" y="${bottom + 14}">and ${more} more</text>`) +
    `${legend(used, bottom + 26)}</svg>\n`
}
