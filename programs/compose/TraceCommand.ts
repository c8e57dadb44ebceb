/** `wordloom trace …`: what these commands are called and take. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const later =
  <Input, E>(load: () => Promise<{ readonly run: (input: Input) => Effect.Effect<void, E> }>) => (input: Input) =>
    Effect.flatMap(Effect.promise(load), ({ run }) => run(input))

const maybe = <A>(flag: Flag.Flag<A>) => Flag.map(Flag.optional(flag), Option.getOrUndefined)
const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))
const yes = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDefault(false), Flag.withoutNegation, Flag.withDescription(description))

const json = yes("json", "Print JSON instead of text")

const verify = Command.make("verify", {
  service: text("service", "NAME", "Whose spans are looked for").pipe(
    Flag.withDefault("wordloom-search-outbox-worker")
  ),
  operation: text("operation", "NAME", "The span that the traces have; without it the wanted trace is easily missed")
    .pipe(Flag.withDefault("projection.process_batch")),
  baseUrl: maybe(text("base-url", "URL", "The store's query API; http://localhost:16686/api, of Tempo :3200/api")),
  lookback: text("lookback", "DURATION", "How far back is looked, such as 30m").pipe(Flag.withDefault("30m")),
  outdir: maybe(text("outdir", "FOLDER", "Write a snapshot there: the trace, the report, a picture of it")),
  lab: text("lab", "NAME", "The lab that the snapshot is evidence of").pipe(Flag.withDefault("trace")),
  traceId: maybe(text("trace-id", "HEX", "This trace and no other: a request's or a worker's")),
  since: maybe(text("since", "TIME", "Nothing that began before this time, or longer ago than this duration")),
  wait: text("wait", "DURATION", "How long a trace may take until it is whole: workers export some seconds later")
    .pipe(Flag.withDefault("10s")),
  backend: Flag.Literals("backend", ["jaeger", "tempo"]).pipe(
    Flag.withDefault("jaeger"),
    Flag.withDescription("Where the traces are kept")
  ),
  limit: Flag.Int("limit").pipe(Flag.withDefault(10), Flag.withDescription("How many changes are looked at, 1 to 100")),
  json
}, later(() => import("./commands/TraceVerify.ts"))).pipe(
  Command.withDescription(
    "Fetch traces from Jaeger or Tempo and check them against the span tree that is promised: PASS or FAIL for each " +
      "check, and what is wrong where. Exits with 0 if all passed, 1 if something failed or nothing was found, 2 if " +
      "the store does not answer. Needs no database."
  ),
  Command.withShortDescription("Check real traces against the promised span tree")
)

const folder = text("outdir", "FOLDER", "Where the snapshots are").pipe(
  Flag.withDefault("docs/architecture/runbook/labs/_snapshots")
)
const lab = maybe(text("lab", "NAME", "Only this lab's"))

const snapshotsCommand = <const Name extends "list" | "prune">(name: Name) =>
  import("./commands/TraceSnapshots.ts").then((commands) => ({ run: commands[name] }))

const list = Command.make("list", { outdir: folder, lab, json }, later(() => snapshotsCommand("list"))).pipe(
  Command.withDescription("The snapshots of every lab, and which of them prune would keep.")
)

const prune = Command.make("prune", {
  outdir: folder,
  lab,
  dryRun: yes("dry-run", "Tell what would be removed, and remove nothing"),
  json
}, later(() => snapshotsCommand("prune"))).pipe(
  Command.withDescription(
    "Keep each lab's newest end-to-end set and its newest PASS set, remove the others, and tell which. What is no " +
      "snapshot of ours is left alone."
  ),
  Command.withShortDescription("Keep the smallest set of evidence, remove the rest")
)

const snapshots = Command.make("snapshots").pipe(
  Command.withDescription("The evidence that labs keep of their traces."),
  Command.withSubcommands([list, prune])
)

const fromLogs = Command.make("from-logs", {
  files: Argument.String("file").pipe(
    Argument.withDescription("Programs' log lines; - or none: standard input"),
    Argument.variadic()
  ),
  traceId: maybe(text("trace-id", "HEX", "The tree of this trace")),
  requestId: maybe(text("request-id", "ID", "The trees of this request's traces")),
  json
}, later(() => import("./commands/TraceFromLogs.ts"))).pipe(
  Command.withDescription(
    "Rebuild a trace's tree from JSON log lines alone, with what each span worked and waited. Without an id: the " +
      "newest traces. Lines that are no JSON are counted, parents that no line tells of are shown as gaps. Exits " +
      "with 1 if there is no such trace. Needs no database and no trace store."
  ),
  Command.withShortDescription("A trace's tree out of log lines alone")
)

export const trace = Command.make("trace").pipe(
  Command.withDescription("Check real traces, keep evidence of them, or read one out of log lines."),
  Command.withSubcommands([verify, fromLogs, snapshots])
)
