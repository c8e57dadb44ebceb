/** What to do next, as commands that can be copied; no IO. */
import type { Projection } from "../outbox/Projection.ts"
import type { Asked } from "./Asked.ts"
import type { Step } from "./Explanation.ts"
import { type RowFacts, rowKey } from "./Facts.ts"
import type { Case } from "./Judge.ts"
import { nameOf } from "./Say.ts"

/** As it can be pasted in a clone, where nothing is installed beside it. */
export const command = (said: string): string => `node programs/wordloom.js ${said}`

export const step = (text: string, command: string | null = null): Step => ({ text, command })

const question = (asked: Asked): string => {
  switch (asked.by) {
    case "event":
      return `--event ${rowKey(asked)}`
    case "request_id":
      return `--request-id ${asked.value}`
    case "trace_id":
      return `--trace-id ${asked.value}`
    default:
      return nameOf({ kind: asked.by, id: asked.id })
  }
}

/** The same question: by its entity it could be about a newer change. */
export const again = ({ asked }: Case): Step => step("look again", command(`explain ${question(asked)}`))
export const startWorker = step("start a worker", "node programs/worker.js")
export const reconcile = step(
  "compare the index with the entities and send what differs again",
  command("reconcile --repair")
)
export const doctor = step("see what is wrong with the system", command("doctor"))
export const replay = (projection: Projection, { id }: RowFacts) =>
  command(`outbox replay --projection ${projection} --id ${id}`)
export const look = (key: string) => step(`see what keeps ${key}`, command(`explain --event ${key}`))

/** Mends what an ordered projection has lost; in the index `reconcile` does. */
export const replayDone = (projection: Projection, row: RowFacts): Step =>
  step("tell it again", `${replay(projection, row)} --status done`)
export const listAll = step("see what the outboxes have", command("outbox list"))
