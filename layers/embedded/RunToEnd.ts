/** Runs one command to its end, within a time, and leaves nothing of it behind. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"

export interface Command {
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly options: {
    readonly cwd: string
    readonly env: Record<string, string>
    readonly uid?: number
    readonly gid?: number
  }
}

/** How a command ended. One that could not be started has neither code nor signal, and says why in `output`. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
}

const outputMax = 16_384

/**
 * Never fails: how the command ended is the answer. It gets its own process group, so that a terminal's Ctrl-C does not
 * reach it, and an interruption ends what it started with it.
 */
export const runToEnd = (command: Command): Effect.Effect<Ended> =>
  Effect.callback<Ended>((resume) => {
    const closed = Deferred.makeUnsafe<void>()
    let output = ""
    const end = (code: number | null, signal: NodeJS.Signals | null) => {
      Deferred.doneUnsafe(closed, Effect.void)
      resume(Effect.succeed({ code, signal, output: output.trim() }))
    }
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-outputMax)
    }

    let child: ChildProcess
    try {
      child = spawn(command.file, command.args, {
        ...command.options,
        stdio: ["ignore", "pipe", "pipe"],
        detached: true
      })
    } catch (error) {
      output = String(error)
      return end(null, null)
    }
    child.stdout?.on("data", keep)
    child.stderr?.on("data", keep)
    child.on("error", (error) => {
      output = String(error)
      end(null, null)
    })
    child.on("close", end)

    return Effect.gen(function*() {
      // SIGTERM lets initdb remove what it began; SIGKILL is for a command that does not listen.
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        if (child.pid === undefined || Deferred.isDoneUnsafe(closed)) return
        yield* Effect.sync(() => signalGroup(child.pid!, signal))
        yield* Deferred.await(closed).pipe(Effect.timeoutOption("3 seconds"))
      }
    })
  })

const signalGroup = (pid: number, signal: NodeJS.Signals) => {
  try {
    process.kill(-pid, signal)
  } catch {
    // The group is gone, which is what was wanted.
  }
}
