/** The least level that is logged: the setting's, and everything while somebody looks; SIGUSR2 goes from one to the other. */
import { Effect, type LogLevel } from "effect"

/** From the least to the most that must happen before a line is written. */
const ranks: Readonly<Record<string, number>> = { Trace: 0, Debug: 1, Info: 2, Warn: 3, Error: 4, Fatal: 5 }

export interface LogLevels {
  readonly isShown: (level: LogLevel.LogLevel) => boolean
  /** `told` is called while more is shown, so that it is seen whatever the levels are. */
  readonly toggle: (told: (level: LogLevel.LogLevel) => void) => void
}

export const make = (setting: LogLevel.LogLevel): LogLevels => {
  const usual = setting === "Debug" ? "Info" : setting
  let least = setting
  return {
    isShown: (level) => (ranks[level] ?? 5) >= (ranks[least] ?? 0),
    toggle: (told) => {
      const to = least === "Debug" ? usual : "Debug"
      least = "Debug"
      told(to)
      least = to
    }
  }
}

/** For as long as the scope lives. */
export const onSignal = ({ toggle }: LogLevels, told: (level: LogLevel.LogLevel) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const listener = () => toggle(told)
      // There is no such signal on Windows, where nobody can send it either.
      process.on("SIGUSR2", listener)
      return listener
    }),
    (listener) => Effect.sync(() => process.removeListener("SIGUSR2", listener))
  )
