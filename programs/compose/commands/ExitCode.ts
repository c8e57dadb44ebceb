/** A command's exit code: 0 done, 1 failed, 2 wrong usage or a backend that cannot be reached, 78 wrong settings. */
import * as Cause from "effect/Cause"
import * as Schema from "effect/Schema"

const failed = 1
const unusable = 2
const settings = 78

/** A command did not do what it was asked for; `usage`, because it was asked wrongly. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>("wordloom/compose/CommandFailed")(
  "CommandFailed",
  { reason: Schema.String, usage: Schema.Boolean }
) {
  override get message() {
    return this.reason
  }
}

export const wrongUsage = (reason: string) => new CommandFailed({ reason, usage: true })
export const unreachable = wrongUsage
export const failure = (reason: string) => new CommandFailed({ reason, usage: false })

// By tag, because the classes themselves would load everything that this must not wait for.
const codes: Readonly<Record<string, number>> = {
  SettingsInvalid: settings,
  ShowHelp: unusable,
  CannotStart: unusable,
  EmbeddedPostgresUnavailable: unusable,
  StoreUnavailable: unusable
}

const tagOf = (error: unknown) =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : ""

export const exitCodeOf = (cause: Cause.Cause<unknown>): number => {
  const error = Cause.squash(cause)
  return error instanceof CommandFailed ? (error.usage ? unusable : failed) : codes[tagOf(error)] ?? failed
}

/** `undefined` when it was told already. */
export const messageOf = (cause: Cause.Cause<unknown>): string | undefined => {
  const error = Cause.squash(cause)
  if (tagOf(error) === "ShowHelp") return undefined
  const expected = cause.reasons.some(({ _tag }) => _tag === "Fail") && error instanceof Error && error.message !== ""
  return expected ? error.message : Cause.pretty(cause)
}
