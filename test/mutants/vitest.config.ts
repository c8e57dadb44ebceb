/** How the tests run against a mutant: as ever, but with servers that are there already and without any cache. */
import { defineConfig } from "vitest/config"
import base from "../../vitest.config.ts"

export default defineConfig({
  test: {
    ...base.test,
    globalSetup: ["test/mutants/GivenServers.ts"],
    // A cached module could be the one from before the bug was planted.
    fsModuleCache: false,
    // Far above what any of these tests takes: what is not over by then hangs.
    testTimeout: 90_000,
    hookTimeout: 90_000
  }
})
