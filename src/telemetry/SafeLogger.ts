/** A logger that cannot hurt what it tells of: whatever it throws is swallowed and counted. */
import { Logger } from "effect"

/** `onError` hears of each failure; it must not throw itself. */
export const safe = (logger: Logger.Logger<unknown, unknown>, onError: (error: unknown) => void) =>
  Logger.make<unknown, void>((options) => {
    try {
      logger.log(options)
    } catch (error) {
      onError(error)
    }
  })
