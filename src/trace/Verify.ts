/** Is a trace what contract §5 promises? Named checks over what a trace store gave back; pure. */
import * as Attempts from "./AttemptChecks.ts"
import * as Batches from "./BatchChecks.ts"
import type { Finding } from "./Finding.ts"
import * as Requests from "./RequestChecks.ts"
import { type Story, type StoryTrees, treesOf } from "./Story.ts"
import * as Trees from "./TreeChecks.ts"

interface Rule {
  readonly says: string
  readonly look: (trees: StoryTrees) => Finding
}

/** In the order of the way: the trace as such, the request, its rows, the attempts, the batches. */
export const checks = {
  ids: { says: "one valid trace id per trace, and every span once", look: Trees.ids },
  roots: { says: "every trace has one beginning: the request, or outbox_worker.loop", look: Trees.roots },
  orphans: { says: "no span names a parent that is not there", look: Trees.orphans },
  parents: { says: "every span stands below the span that it belongs to", look: Trees.parents },
  kinds: { says: "SERVER, CLIENT, PRODUCER, CONSUMER and INTERNAL where they belong", look: Trees.kinds },
  services: { says: "each half is told by the service that did it", look: Trees.services },
  attributes: { says: "every span carries what it must, from closed lists", look: Trees.attributes },
  times: { says: "nothing ends before it begins, or begins before its cause", look: Trees.times },
  errors: { says: "error status for failed attempts alone; short messages, no stack", look: Trees.errors },
  http: { says: "the request is named {METHOD} {route}, with method and status", look: Requests.http },
  transaction: { says: "what was written was written in db.tx, below the request", look: Requests.transaction },
  enqueued: { says: "a committed write leaves an outbox.enqueue per projection", look: Requests.enqueued },
  halves: { says: "every outbox.enqueue is followed by its worker's half", look: Attempts.halves },
  waits: { says: "every attempt is preceded by its wait, without a negative gap", look: Attempts.waits },
  attempts: { says: "attempts count from one, and none is missing", look: Attempts.attempts },
  steps: { says: "every attempt has claim, engine and ack, and classify_error after a failure", look: Attempts.steps },
  outcomes: { says: "result, outcome, ack_rows and retry_reason agree", look: Attempts.outcomes },
  settled: { says: "every row has ended: done or dead", look: Attempts.settled },
  links: { says: "attempts and batches link to each other", look: Attempts.links },
  batch: { says: "a worker's turn has claim_batch, process_batch, engine and ack_batch", look: Batches.batch },
  counts: { says: "batch_size is ok and failed together; acked is what was held", look: Batches.counts }
} as const satisfies Readonly<Record<string, Rule>>

export type CheckName = keyof typeof checks

export interface Check {
  readonly name: CheckName
  readonly says: string
  readonly finding: Finding
}

export const checkNames = Object.keys(checks) as ReadonlyArray<CheckName>

export const verify = (story: Story): ReadonlyArray<Check> => {
  const trees = treesOf(story)
  return checkNames.map((name) => ({ name, says: checks[name].says, finding: checks[name].look(trees) }))
}

export const hasPassed = (found: ReadonlyArray<Check>): boolean =>
  found.every(({ finding }) => finding._tag !== "Failed")
