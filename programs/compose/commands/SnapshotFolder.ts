/** The folder of snapshots: one folder per set, written whole or not at all; only what is ours is ever removed. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Option, Path, type PlatformError, Schema } from "effect"
import { SetReport, type SnapshotSet } from "../../../src/trace/Snapshots.ts"
import { wrongUsage } from "./ExitCode.ts"
import type { Report } from "./TraceReport.ts"

export const labAllowed = /^[a-z0-9][a-z0-9-]{0,39}$/

const ours: ReadonlySet<string> = new Set(["report.json", "report.txt", "trace.json", "waterfall.svg"])
const reportBytesMax = 16_777_216n
const setsMax = 10_000

const failed = (path: string, doing: string) => ({ reason }: PlatformError.PlatformError) =>
  wrongUsage(`${path} cannot be ${doing} (${reason._tag})`)

const nameOf = ({ lab, shown, taken_at, verdict }: Report) =>
  [lab, taken_at.replaceAll(/[-:]|\.\d+/g, ""), verdict.toLowerCase(), shown.slice(0, 8)].join("-")

const platform = Effect.all({ files: FileSystem.FileSystem, path: Path.Path })

/** A name that is taken gets a number: two runs may begin in one second. */
const freeName = Effect.fnUntraced(function*(wanted: string) {
  const { files } = yield* platform
  let name = wanted
  for (let at = 2; at <= setsMax && (yield* files.exists(name)); at++) name = `${wanted}-${at}`
  return name
})

/** Node's `recursive` goes on without end where a folder is refused as if its parent were missing, as in /proc. */
const makeFolder = (folder: string): Effect.Effect<
  void,
  PlatformError.PlatformError,
  FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function*() {
    const { files, path } = yield* platform
    if (yield* files.exists(folder)) return
    yield* makeFolder(path.dirname(folder))
    yield* Effect.catchIf(
      files.makeDirectory(folder),
      ({ reason }) => reason._tag === "AlreadyExists",
      () => Effect.void
    )
  })

/** The path of the new set. */
export const write = (root: string, report: Report, contents: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const { files, path } = yield* platform
    yield* makeFolder(path.resolve(root))
    const taking = yield* files.makeTempDirectory({ directory: root, prefix: ".taking-" })
    const written = Effect.forEach(
      Object.entries(contents),
      ([name, content]) => files.writeFileString(path.join(taking, name), content),
      { discard: true }
    )
    return yield* written.pipe(
      Effect.andThen(freeName(path.join(root, nameOf(report)))),
      Effect.tap((name) => files.rename(taking, name)),
      Effect.tapError(() => Effect.ignore(files.remove(taking, { recursive: true })))
    )
  }).pipe(Effect.mapError(failed(root, "written to")), Effect.provide(NodeServices.layer))

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(SetReport))

/** A folder with anything else in it is somebody's own. */
const readSet = Effect.fnUntraced(function*(root: string, name: string) {
  const { files, path } = yield* platform
  const report = path.join(root, name, "report.json")
  const info = yield* Effect.option(files.stat(report))
  if (Option.isNone(info) || info.value.type !== "File" || info.value.size > reportBytesMax) return Option.none()
  const inside = yield* files.readDirectory(path.join(root, name))
  if (inside.some((file) => !ours.has(file))) return Option.none()
  return Option.map(decode(yield* files.readFileString(report)), (said): SnapshotSet => ({ ...said, name }))
})

/** The sets in a folder, and the names of what is none of ours. */
export const read = (root: string) =>
  Effect.gen(function*() {
    const { files } = yield* platform
    const names = (yield* files.readDirectory(root)).toSorted().slice(0, setsMax)
    const found = yield* Effect.forEach(names, (name) => readSet(root, name))
    return {
      sets: found.flatMap(Option.toArray),
      others: names.filter((_, at) => Option.isNone(found[at]!))
    }
  }).pipe(Effect.mapError(failed(root, "read")), Effect.provide(NodeServices.layer))

export const remove = (root: string, { name }: SnapshotSet) =>
  Effect.flatMap(platform, ({ files, path }) => files.remove(path.join(root, name), { recursive: true })).pipe(
    Effect.mapError(failed(`${root}/${name}`, "removed")),
    Effect.provide(NodeServices.layer)
  )
