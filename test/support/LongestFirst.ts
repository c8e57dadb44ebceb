/** The files that take longest begin first, so that no core idles at the end; a fresh checkout knows no times. */
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** As measured, in their order. The others follow as Vitest has them: by what it remembers, or by their size. */
const longest = [
  "programs/Explain",
  "programs/Reindex",
  "programs/Tracing",
  "postgres/LeasesModel",
  "http/Fuzz",
  "elasticsearch/SearchIndexElasticsearch",
  "cli/Import",
  "elasticsearch/Reconcile",
  "cli/Wordloom",
  "cli/Outbox",
  "redlines/SkipLocked",
  "programs/DatabaseAway",
  "embedded/TwoPrograms",
  "programs/Shutdown",
  "programs/FanOut",
  "programs/KeptTraces",
  "programs/Start",
  "redlines/Throwing",
  "elasticsearch/Visible",
  "http/RandomContexts"
]

const rankOf = ({ moduleId }: TestSpecification) => {
  const at = longest.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
  return at === -1 ? longest.length : at
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    // oxlint-disable-next-line unicorn/no-array-sort -- Vitest's own, which makes a new list.
    const usual = await super.sort(files)
    return usual.toSorted((a, b) => rankOf(a) - rankOf(b))
  }
}
