/** The command line: what each command is called and takes. What it does is only loaded when it runs. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Argument from "effect/cli/Argument"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import manifest from "../../package.json" with { type: "json" }
import { exitCodeOf, messageOf } from "./commands/ExitCode.ts"
import { trace } from "./TraceCommand.ts"

const later =
  <Input, E>(load: () => Promise<{ readonly run: (input: Input) => Effect.Effect<void, E> }>) => (input: Input) =>
    Effect.flatMap(Effect.promise(load), ({ run }) => run(input))

/** A flag that may be left out is `undefined` then. */
const maybe = <A>(flag: Flag.Flag<A>) => Flag.map(Flag.optional(flag), Option.getOrUndefined)
const text = (name: string, metavar: string, description: string) =>
  maybe(Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description)))
const yes = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDefault(false), Flag.withoutNegation, Flag.withDescription(description))

const json = yes("json", "Print JSON instead of text")
const projections = ["search", "chronicle", "realtime"] as const
const projection = Flag.Literals("projection", projections).pipe(Flag.withDescription("Whose outbox"))

const migrate = Command.make("migrate", { json }, later(() => import("./commands/Migrate.ts"))).pipe(
  Command.withDescription("Bring the database up. It can be run at any time, and by several at once.")
)

const config = Command.make("config", { json }, later(() => import("./commands/Config.ts"))).pipe(
  Command.withDescription("Print every setting: its value, its source and its meaning. Connects to nothing.")
)

const debugToken = Command.make("debug-token", {
  for: Flag.String("for").pipe(
    Flag.withDefault("10m"),
    Flag.withMetavar("DURATION"),
    Flag.withDescription("How long it is valid, from 1s to 1h")
  ),
  json
}, later(() => import("./commands/DebugToken.ts"))).pipe(
  Command.withDescription(
    "Print a token that has a request's trace kept, whatever the sampling ratio is: send it as x-wordloom-debug. " +
      "Needs the API's WORDLOOM_TRACE_SECRET. From the API's own machine x-wordloom-debug: 1 is enough."
  ),
  Command.withShortDescription("Print a token that has a request's trace kept")
)

const importing = Command.make("import", {
  file: Argument.String("file.jsonl").pipe(
    Argument.withDescription(`One object a line: {"title", "body", "tags": ["name"]?, "library": "name"?}`)
  ),
  library: text("library", "NAME", "For lines that name none; the file's name when not given"),
  rejects: text("rejects", "FILE", "Write every rejected line there, with its number and reason, as JSON lines"),
  again: yes("again", "Import a file anew that was imported to its end"),
  json
}, later(() => import("./commands/Import.ts"))).pipe(
  Command.withDescription(
    "Import blocks. Libraries and tags that do not exist are made. What stopped half-way goes on where it was " +
      "when the same command is run again; a file that was imported already is left alone."
  ),
  Command.withShortDescription("Import blocks from a file")
)

const rowsCommand = <const Name extends "list" | "replay">(name: Name) =>
  import("./commands/Outbox.ts").then((commands) => ({ run: commands[name] }))
const controlCommand = <const Name extends "stats" | "pause" | "resume">(name: Name) =>
  import("./commands/OutboxControl.ts").then((commands) => ({ run: commands[name] }))

const stats = Command.make("stats", { json }, later(() => controlCommand("stats"))).pipe(
  Command.withDescription(
    "How many rows wait, are worked on, are done and are dead; how long they wait; what is paused, and which " +
      "workers' breakers are open."
  ),
  Command.withShortDescription("How much waits, and what is paused")
)

const projectionNamed = Argument.Literals("projection", projections).pipe(
  Argument.withDescription("search, chronicle or realtime")
)

const pause = Command.make("pause", {
  projection: projectionNamed,
  reason: text("reason", "TEXT", "Why, for whoever looks; at most 256 characters"),
  json
}, later(() => controlCommand("pause"))).pipe(
  Command.withDescription(
    "Let no worker claim a projection's rows any more, until it is resumed. What is in flight ends; writes go on."
  ),
  Command.withShortDescription("Let no worker claim a projection's rows")
)

const resume = Command.make("resume", { projection: projectionNamed, json }, later(() => controlCommand("resume")))
  .pipe(Command.withDescription("Let the workers claim a paused projection's rows again."))

const list = Command.make("list", {
  projection: maybe(projection),
  status: maybe(
    Flag.Literals("status", ["pending", "processing", "done", "dead"]).pipe(
      Flag.withDescription("Only rows in this state")
    )
  ),
  entityId: text("entity-id", "UUID", "Only rows of this tag, library or block"),
  traceId: text("trace-id", "HEX", "Only rows of this trace"),
  limit: Flag.Int("limit").pipe(Flag.withDefault(20), Flag.withDescription("How many rows, 1 to 100")),
  cursor: text("cursor", "CURSOR", "Go on after an earlier page"),
  json
}, later(() => rowsCommand("list"))).pipe(
  Command.withDescription("Outbox rows, newest first.")
)

const replay = Command.make("replay", {
  projection,
  status: maybe(Flag.Literals("status", ["dead", "done"]).pipe(Flag.withDescription("dead when not given"))),
  errorType: text("error-type", "TYPE", "Only rows that failed with this"),
  after: text("after", "TIME", "Only rows written at or after this time"),
  before: text("before", "TIME", "Only rows written before this time"),
  id: maybe(Flag.Int("id").pipe(Flag.withDescription("Only this row"))),
  json
}, later(() => rowsCommand("replay"))).pipe(
  Command.withDescription("Make finished rows due again. What was recorded of their attempts stays.")
)

const outbox = Command.make("outbox").pipe(
  Command.withDescription("Look at the outboxes, pause and resume them, and make rows due again."),
  Command.withSubcommands([stats, list, replay, pause, resume])
)

const explain = Command.make("explain", {
  entity: Argument.String("kind/id").pipe(
    Argument.withDescription("block/, tag/ or library/ and an id"),
    Argument.optional,
    Argument.map(Option.getOrUndefined)
  ),
  event: text("event", "PROJECTION/ID", "One row of an outbox, such as search/12"),
  requestId: text("request-id", "ID", "What a request changed"),
  traceId: text("trace-id", "HEX", "What was changed in a trace"),
  json
}, later(() => import("./commands/Explain.ts"))).pipe(
  Command.withDescription(
    "What has become of a change: a sentence, five answers with their evidence, where the time went and what to do. " +
      "Exits with 1 if the change is not where it should be, with 2 if there is no such change or nobody can say."
  ),
  Command.withShortDescription("Why a change is not found yet")
)

const doctor = Command.make("doctor", {
  api: text("api", "URL", "Where the API is; by the settings when not given"),
  traces: text("traces", "URL", "The trace backend's API, such as http://localhost:16686/api; by WORDLOOM_TRACE_URL"),
  tempo: text("tempo", "URL", "Tempo's API, such as http://localhost:3200/api, if Grafana is to show the traces"),
  logs: text(
    "logs",
    "FILE",
    "Log lines of the programs, of which the last thousand are looked at; - is standard input"
  ),
  manifests: Flag.String("manifests").pipe(
    Flag.withMetavar("FOLDER"),
    Flag.withDefault("infra"),
    Flag.withDescription("Where manifests with liveness probes are")
  ),
  json
}, later(() => import("./commands/Doctor.ts"))).pipe(
  Command.withDescription(
    "Look for what is known to go wrong: settings, database, engine, collector (one span is sent and looked for), " +
      "rows, leases, workers, whole traces, log lines, series and manifests; each with its cause and what to do. " +
      "Exits with 1 if something is broken, with 2 if the database does not answer."
  ),
  Command.withShortDescription("What is wrong with the system, and what to do")
)

const reconcile = Command.make("reconcile", {
  repair: yes("repair", "Send what differs to the index again, through the outbox"),
  json
}, later(() => import("./commands/Reconcile.ts"))).pipe(
  Command.withDescription(
    "Compare every entity with the search index: what is missing there, what is stale, what is no entity (any more). " +
      "Changes that are under way are left out. Exits with 1 if something differs that is not repaired."
  ),
  Command.withShortDescription("Compare the search index with the entities")
)

const reindex = Command.make("reindex", {
  rollback: yes("rollback", "Go back to the generation that was live before; it has had every write since"),
  dropOld: yes("drop-old", "Drop the generation that is kept for going back"),
  abandon: yes("abandon", "Drop what is being built, and leave what is live as it is"),
  json
}, later(() => import("./commands/Reindex.ts"))).pipe(
  Command.withDescription(
    "Build the search index anew beside the live one, while writes and searches go on, and put it in its place " +
      "once it is whole. The old one is kept, with every write, until it is dropped. What stopped half-way goes on " +
      "where it was when the same command is run again."
  ),
  Command.withShortDescription("Rebuild the search index without a pause")
)

const wordloom = Command.make("wordloom").pipe(
  Command.withDescription(manifest.description),
  Command.withSubcommands([
    migrate,
    importing,
    explain,
    doctor,
    outbox,
    reindex,
    reconcile,
    trace,
    debugToken,
    config
  ])
)

const isFirst = (error: { readonly message: string }, at: number, all: ReadonlyArray<{ readonly message: string }>) =>
  all.findIndex(({ message }) => message === error.message) === at

/** Wrong usage is told in a line or two; the whole help is for those who ask. */
const presenter: CliOutput.Presenter = {
  present: (event) => {
    const command = "commandPath" in event ? event.commandPath.join(" ") : ""
    if (event._tag === "InvalidInvocation") {
      return Effect.sync(() => {
        for (const { message } of event.errors.filter(isFirst)) process.stderr.write(`${command}: ${message}\n`)
        process.stderr.write(`Try "${command} --help".\n`)
      })
    }
    if (event._tag === "Help" && event.reason === "Implicit") {
      return Effect.sync(() => void process.stderr.write(`${command}: which command? Try "${command} --help".\n`))
    }
    return CliOutput.defaultPresenter.present(event)
  }
}

const platform = Layer.mergeAll(
  NodeServices.layer,
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
  CliOutput.layerPresenter(presenter)
)

/** `wordloom … | head` reads no more than it wants. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
  process.exit(0)
})

let code = 0

const main = Command.run(wordloom, { version: manifest.version }).pipe(
  Effect.provide(platform),
  Effect.catchCause((cause) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
    return Effect.sync(() => {
      code = exitCodeOf(cause)
      const message = messageOf(cause)
      if (message !== undefined) process.stderr.write(`${message}\n`)
    })
  })
)

NodeRuntime.runMain(main, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? code : 130)
})
