/** Starts and stops the server process itself. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { causeInBrief, EmbeddedPostgresUnavailable } from "./EmbeddedPostgresUnavailable.ts"
import type { Home } from "./Home.ts"
import type { PostgresPackage } from "./PostgresPackage.ts"
import { isAlive } from "./ProcessFacts.ts"
import type { ServerUser } from "./ServerUser.ts"

/** A server that this program started. Whether it is the one that now serves the data is another question. */
export interface Postmaster {
  readonly pid: number
  readonly hasEnded: () => boolean
  /** It ended because it was told to. */
  readonly wasStopped: () => boolean
  /** The last lines that it wrote to the log. */
  readonly lastWords: () => ReadonlyArray<string>
}

export const address = "127.0.0.1"

const logMaxBytes = 10 * 1024 * 1024

/**
 * SQLSTATE stands in every log line, so that no decision hangs on a message text. Statements are kept out of the log:
 * they carry what users wrote.
 */
const settings = {
  listen_addresses: address,
  unix_socket_directories: "",
  max_connections: "100",
  shared_buffers: "128MB",
  fsync: "on",
  timezone: "UTC",
  log_timezone: "UTC",
  lc_messages: "C",
  log_line_prefix: "%m [%p] %e ",
  log_min_error_statement: "panic",
  log_checkpoints: "off",
  logging_collector: "off",
  cluster_name: "wordloom"
}

/** In a session of its own, so that a terminal's Ctrl-C does not reach it, and free to outlive this program. */
export const start = (
  home: Home,
  postgres: PostgresPackage,
  user: ServerUser,
  port: number
): Effect.Effect<Postmaster, EmbeddedPostgresUnavailable> =>
  Effect.try({
    try: () => {
      const log = openLog(home)
      const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
      const command = user.command(postgres.postgres, ["-D", home.data, "-p", String(port), ...options])
      try {
        const child = spawn(command.file, command.args, {
          ...command.options,
          stdio: ["ignore", log.fd, log.fd],
          detached: true
        })
        // Without a listener a failed start would be an uncaught exception; that it has no process id says as much.
        child.on("error", () => {})
        child.unref()
        const pid = child.pid ?? 0
        return {
          pid,
          hasEnded: () => pid === 0 || child.exitCode !== null || child.signalCode !== null,
          wasStopped: () => child.exitCode === 0,
          lastWords: () => wordsOf(pid, home, log.from)
        }
      } finally {
        Fs.closeSync(log.fd)
      }
    },
    catch: (cause) => startFailed(home, causeInBrief(cause))
  })

export const startFailed = (home: Home, what: string) =>
  new EmbeddedPostgresUnavailable({
    reason: "StartFailed",
    problem: `the server does not start (${what})`,
    remedy: `See ${home.log}`
  })

const openLog = (home: Home) => {
  const size = Fs.statSync(home.log, { throwIfNoEntry: false })?.size ?? 0
  if (size > logMaxBytes) Fs.renameSync(home.log, `${home.log}.1`)
  const fd = Fs.openSync(home.log, "a", 0o600)
  return { fd, from: Fs.fstatSync(fd).size }
}

const quotedBytesMax = 8_192
const quotedLinesMax = 4

/** The end of the log, whoever wrote it. */
export const logTail = (home: Home): ReadonlyArray<string> => wordsOf(undefined, home, 0)

const wordsOf = (pid: number | undefined, home: Home, from: number): ReadonlyArray<string> => {
  if (!Fs.existsSync(home.log)) return []
  const fd = Fs.openSync(home.log, "r")
  try {
    const position = Math.max(from, Fs.fstatSync(fd).size - quotedBytesMax)
    const buffer = Buffer.alloc(quotedBytesMax)
    const length = Fs.readSync(fd, buffer, 0, quotedBytesMax, position)
    const lines = buffer.toString("utf8", 0, length).trim().split("\n")
    const own = lines.filter((line) => line.includes(` [${pid}] `))
    // A server that did not get as far as its log settings wrote lines without its number.
    return (own.length > 0 ? own : lines).slice(-quotedLinesMax)
  } finally {
    Fs.closeSync(fd)
  }
}

/** A free port, and if possible the one before: programs that lost their server will look for it there. */
export const freePort = (
  home: Home,
  wanted: number | undefined
): Effect.Effect<number, EmbeddedPostgresUnavailable> =>
  tryPort(wanted ?? 0).pipe(
    Effect.catch(() => tryPort(0)),
    Effect.mapError((cause) => startFailed(home, `no free port, ${causeInBrief(cause)}`))
  )

const tryPort = (port: number): Effect.Effect<number, Error> =>
  Effect.callback((resume) => {
    const server = Net.createServer()
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(port, address, () => {
      const bound = (server.address() as Net.AddressInfo).port
      server.close(() => resume(Effect.succeed(bound)))
    })
    return Effect.sync(() => server.close())
  })

/**
 * Ends the server and waits until it is gone. A fast shutdown writes everything back first; if that takes too long, an
 * immediate one leaves it to the next start, which loses nothing either. SIGKILL is never needed, and would be a risk.
 */
export const stop = (pid: number): Effect.Effect<void> =>
  end(pid, "SIGINT", "20 seconds").pipe(
    Effect.flatMap((gone) => gone ? Effect.succeed(true) : end(pid, "SIGQUIT", "5 seconds")),
    Effect.flatMap((gone) =>
      gone ? Effect.void : Effect.logWarning(`embedded PostgreSQL (process ${pid}) does not stop`)
    )
  )

const end = (pid: number, signal: NodeJS.Signals, within: "20 seconds" | "5 seconds") =>
  Effect.sync(() => {
    if (isAlive(pid)) process.kill(pid, signal)
  }).pipe(
    Effect.andThen(
      Effect.sync(() => !isAlive(pid)).pipe(
        Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: (gone) => gone })
      )
    ),
    Effect.timeoutOrElse({ duration: within, orElse: () => Effect.succeed(false) })
  )
