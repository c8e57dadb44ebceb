/** Tests that lack what they need are skipped, and say so. */
import { describe } from "@effect/vitest"

export const describeUnless = (lacking: string | undefined, name: string, tests: () => void) =>
  describe.skipIf(lacking !== undefined)(lacking === undefined ? name : `${name} (skipped: ${lacking})`, tests)
