/** Tests run on real servers where a user has real servers; `test/support/Servers.ts` starts them once for the run. */
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/Servers.ts"],
    // A hang must end; no test passes or fails by its own speed.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores: more processes than that only wait for each other.
    maxWorkers: 2
  }
})
