/** Tests run on real servers where a user has real servers; `test/support/Servers.ts` starts them once for the run. */
import { defineConfig } from "vitest/config"
import { LongestFirst } from "./test/support/LongestFirst.ts"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/Servers.ts"],
    sequence: { sequencer: LongestFirst },
    // A hang must end; no test passes or fails by its own speed.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One more than two cores: programs that a test waits for are often waiting themselves.
    maxWorkers: 3
  }
})
