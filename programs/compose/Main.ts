/** Runs a program until it is told to stop: one clear line when it cannot start, and the exit code that says why. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Duration, Effect, Exit, Layer, Result, Schema } from "effect"
import type { AddressInfo } from "node:net"
import { read, SettingsInvalid } from "../../src/settings/Settings.ts"
import { keepHeapSmall } from "./SmallHeap.ts"

/** A program could not start, for a reason that whoever runs it can mend. */
export class CannotStart extends Schema.TaggedError<CannotStart>("wordloom/compose/CannotStart")("CannotStart", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

const exitSettings = 78

interface Told {
  readonly message: string
  readonly code: number
}

type SystemError = NodeJS.ErrnoException & Partial<AddressInfo> & { readonly hostname?: string }

/** A port that is taken, a path that is closed: what Node says is clear enough, but not where it is buried. */
const systemMessage = (error: unknown): string | undefined => {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    const { address, code, hostname, port } = cause as SystemError
    if (code === "EADDRINUSE") return `port ${port} is in use`
    if (code === "EADDRNOTAVAIL") return `this machine has no address ${address}`
    if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `there is no machine called ${hostname}`
    if (code === "EACCES" && port !== undefined) return `port ${port} may not be used by this user`
  }
  return undefined
}

const tell = (cause: Cause.Cause<unknown>): Told => {
  const error = Cause.squash(cause)
  if (error instanceof SettingsInvalid) return { message: error.message, code: exitSettings }
  const known = systemMessage(error)
  if (known !== undefined) return { message: known, code: 1 }
  const failed = cause.reasons.some((reason) => reason._tag === "Fail")
  const message = failed && error instanceof Error && error.message !== "" ? error.message : Cause.pretty(cause)
  return { message, code: 1 }
}

/** Beyond the grace: for the last spans, and for an embedded database that is being stopped. */
const overtimeMs = 30_000

/** A database that has gone silent would be waited for without end: it is to undo what was begun before it is left. */
const endInAnyCase = () => {
  const grace = Result.match(read(process.env), {
    onFailure: () => 0,
    onSuccess: ({ shutdownGrace }) => Duration.toMillis(shutdownGrace)
  })
  setTimeout(() => {
    process.stderr.write("this program did not come to its end in time, so it ends without having heard from all\n")
    process.exit(1)
  }, grace + overtimeMs).unref()
}

/** Launches `program` and holds the process until SIGINT or SIGTERM; an orderly stop exits 0. */
export const launch = <E>(program: Layer.Layer<never, E>) => {
  keepHeapSmall()
  let code = 0
  const main = Layer.launch(program).pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause as Cause.Cause<never>)
        : Effect.sync(() => {
          const told = tell(cause)
          code = told.code
          process.stderr.write(`${told.message}\n`)
        })
    )
  )
  // Whoever read the log may go away; the work goes on.
  process.stdout.on("error", () => {})
  process.stderr.on("error", () => {})
  // A closed terminal ends the program as politely as SIGTERM does.
  process.once("SIGHUP", () => process.kill(process.pid, "SIGTERM"))
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, endInAnyCase)
  NodeRuntime.runMain(main, {
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? code : Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
  })
}
