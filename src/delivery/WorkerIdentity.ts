/** Who holds a lease. Two live workers never share an id: their claims could not be told apart in the records. */
import { Context, Schema } from "effect"

export class WorkerIdTaken extends Schema.TaggedError<WorkerIdTaken>("wordloom/delivery/WorkerIdTaken")(
  "WorkerIdTaken",
  { id: Schema.String }
) {
  override get message() {
    return `another live worker is called ${this.id}: set OUTBOX_WORKER_ID to something else`
  }
}

export class WorkerIdentity extends Context.Service<WorkerIdentity, {
  readonly id: string
}>()("wordloom/delivery/WorkerIdentity") {}
