/** Checks that hold for every trace of the product: its ids, its shape, kinds, services, times and errors. */
import { below, called, counted, type Finding, finding } from "./Finding.ts"
import { isStatement, loop, rules, values, workerService, writers } from "./SpanRules.ts"
import { isAttempt, type StoryTrees } from "./Story.ts"
import { milliseconds, type Placed, text, type TraceSpan, type Tree } from "./Trace.ts"

const spansOf = ({ all }: StoryTrees) => all.flatMap(({ spans }) => spans)
const everySpan = (trees: StoryTrees, judge: (span: TraceSpan, tree: Tree) => ReadonlyArray<string>) =>
  trees.all.flatMap((tree) => tree.spans.flatMap((span) => judge(span, tree)))
const seenAll = (trees: StoryTrees) =>
  `${counted(spansOf(trees).length, "span")} in ${counted(trees.all.length, "trace")}`

const id = (digits: number) => new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`)
const traceId = id(32)
const spanId = id(16)

export const ids = (trees: StoryTrees): Finding =>
  finding(
    trees.all.flatMap((tree) => {
      const seen = new Set<string>()
      return [
        ...(traceId.test(tree.id) ? [] : [`${tree.id} is no trace id`]),
        ...tree.spans.flatMap((span) => {
          const twice = seen.has(span.spanId)
          seen.add(span.spanId)
          if (!spanId.test(span.spanId)) return [`${span.name}: ${span.spanId} is no span id`]
          if (span.traceId !== tree.id) return [`${called(span)} is of another trace, ${span.traceId}`]
          return twice ? [`${called(span)} is there twice`] : []
        })
      ]
    }),
    seenAll(trees)
  )

/** The caller's own span is the caller's to export: only what a request begins with may name a parent elsewhere. */
export const mayBeCalled = ({ kind, name }: TraceSpan) => kind === "server" || name === "gateway.ws.on_message"

export const orphans = (trees: StoryTrees): Finding =>
  finding(
    trees.all.flatMap((tree) => {
      const placed = new Set(tree.placed.map(({ span }) => span))
      const lost = tree.tops.filter((span) => span.parentId !== undefined && !mayBeCalled(span))
      const round = tree.spans.filter((span) => !placed.has(span))
      return [
        ...lost.map((span) => `${called(span)} names the parent ${span.parentId}, which is not there`),
        ...round.map((span) => `${called(span)} is below itself`)
      ]
    }),
    seenAll(trees)
  )

const isRequestRoot = (span: TraceSpan) => span.kind === "server" || writers.some((name) => name === span.name)

const standsUnder = (tree: Tree, parent: TraceSpan | undefined, under: string) =>
  under === "root"
    ? parent === undefined
    : under === "request"
    ? parent !== undefined && (isRequestRoot(parent) || tree.tops.includes(parent)) &&
      !Object.hasOwn(rules, parent.name)
    : parent?.name === under

const isOfAnother = (span: TraceSpan, parent: TraceSpan) => {
  const [own, above] = [text(span, "projection"), text(parent, "projection")]
  return own !== "" && above !== "" && own !== above
}

export const parents = (trees: StoryTrees): Finding =>
  finding(
    everySpan(trees, (span, tree) => {
      const parent = tree.parentOf(span)
      // An orphan has a check of its own.
      if (span.parentId !== undefined && parent === undefined) return []
      if (isStatement(span.name)) {
        return parent === undefined ? [`${called(span)} is below nothing: it belongs to a transaction or a batch`] : []
      }
      const rule = rules[span.name]
      if (parent !== undefined && isOfAnother(span, parent)) {
        return [`${called(span)} is below ${called(parent)}, of another projection`]
      }
      if (rule === undefined || rule.under.some((under) => standsUnder(tree, parent, under))) return []
      return [`${called(span)} is below ${below(tree, span)}: it belongs below ${rule.under.join(" or ")}`]
    }),
    seenAll(trees)
  )

export const kinds = (trees: StoryTrees): Finding =>
  finding(
    everySpan(trees, (span) => {
      const wanted = isStatement(span.name) ? "client" : rules[span.name]?.kind
      return wanted === undefined || wanted === span.kind ? [] : [`${called(span)} is ${span.kind}, not ${wanted}`]
    }),
    seenAll(trees)
  )

export const services = (trees: StoryTrees): Finding => {
  const given = trees.story.services ?? []
  const isRight = (span: TraceSpan, wanted: string) => span.service === wanted || given.includes(span.service)
  const requests = new Set<string>()
  const problems = everySpan(trees, (span, tree) => {
    const projection = text(span, "projection")
    if (rules[span.name]?.half === "worker" && projection !== "") {
      const wanted = workerService(projection)
      return isRight(span, wanted) ? [] : [`${called(span)} is of ${span.service}, not of ${wanted}`]
    }
    const parent = tree.parentOf(span)
    if (rules[span.name]?.half !== "request" || parent === undefined) return []
    requests.add(parent.service)
    return parent.service === span.service
      ? []
      : [`${called(span)} is of ${span.service}, its request of ${parent.service}`]
  })
  return finding(problems, [...new Set(spansOf(trees).map(({ service }) => service))].toSorted().join(", "))
}

/** Times of one process, as a store of microseconds keeps them. */
const rounding = 5_000n
/** A worker and the request that it tells of have two clocks. */
const skew = 100_000_000n

/** PostgreSQL's is a third; what it is behind or ahead was measured with a claim, no better than that took. */
const skewOf = (tree: Tree) =>
  tree.named("outbox.claim").reduce((most, { end, start }) => end - start > most ? end - start : most, 0n) + skew

const late = (nanos: bigint) => `${milliseconds(nanos).toFixed(3)} ms`

/** What happens after its parent is over, and by another clock. */
const isLater = (span: TraceSpan) => isAttempt(span) || ["outbox.wait", "outbox.dead_letter"].includes(span.name)

const judgeTimes = (span: TraceSpan, tree: Tree): ReadonlyArray<string> => {
  const parent = tree.parentOf(span)
  if (span.end < span.start) return [`${called(span)} ends ${late(span.start - span.end)} before it begins`]
  if (parent === undefined) return []
  const allowed = isLater(span) || span.service !== parent.service ? skewOf(tree) : rounding
  if (span.start + allowed < parent.start) {
    return [`${called(span)} begins ${late(parent.start - span.start)} before ${parent.name}, below which it is`]
  }
  return isLater(span) || span.service !== parent.service || span.end <= parent.end + allowed
    ? []
    : [`${called(span)} ends ${late(span.end - parent.end)} after ${parent.name}, below which it is`]
}

export const times = (trees: StoryTrees): Finding =>
  finding(everySpan(trees, (span, tree) => judgeTimes(span, tree)), seenAll(trees))

export const attributes = (trees: StoryTrees): Finding =>
  finding(
    everySpan(trees, (span) => [
      ...(rules[span.name]?.carries ?? []).filter((key) => span.attributes[key] === undefined).map((key) =>
        `${called(span)} does not carry ${key}`
      ),
      ...Object.entries(values).flatMap(([key, allowed]) => {
        const value = span.attributes[key]
        return rules[span.name] === undefined || value === undefined || allowed.includes(String(value))
          ? []
          : [`${called(span)} has ${key}=${String(value).slice(0, 40)}: it is one of ${allowed.join(", ")}`]
      })
    ]),
    seenAll(trees)
  )

const messageMax = 256
const stack = /\n\s*at |\bat \S+ \(.+:\d+:\d+\)/

export const errors = (trees: StoryTrees): Finding => {
  const problems = everySpan(trees, (span, tree) => {
    const said = [
      ...(span.message.length > messageMax ? [`${called(span)}: a message of ${span.message.length} characters`] : []),
      ...(stack.test(span.message) ? [`${called(span)}: a stack in the message`] : [])
    ]
    if (span.name !== "outbox.process") return said
    const hasFailed = text(span, "result") === "failed"
    if (span.failed !== hasFailed) {
      said.push(`${called(span)}: error status ${span.failed ? "on an attempt that went well" : "is missing"}`)
    }
    const ack = tree.childrenOf(span).find(({ name }) => name === "outbox.ack")
    return ack?.failed === true ? [...said, `${called(ack)}: only a failed attempt has error status`] : said
  })
  return finding(problems, counted(spansOf(trees).filter(({ failed }) => failed).length, "span") + " with error status")
}

export const roots = (trees: StoryTrees): Finding =>
  finding(
    trees.all.flatMap((tree) => {
      const tops = tree.placed.filter(({ depth, span }: Placed) =>
        depth === 0 && (span.parentId === undefined || mayBeCalled(span))
      )
      if (tops.length !== 1) return [`${tree.id} begins with ${tops.length === 0 ? "nothing" : `${tops.length} spans`}`]
      const [{ span }] = tops as [Placed]
      if (tree === trees.request) {
        return isRequestRoot(span) ? [] : [`the request's trace begins with ${called(span)}, which is no request`]
      }
      return span.name === loop ? [] : [`the worker's trace begins with ${called(span)}, not with ${loop}`]
    }),
    trees.all.flatMap(({ tops }) => tops).map(({ name }) => name).join(", ")
  )
