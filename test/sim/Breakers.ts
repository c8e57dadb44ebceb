/** What workers say of their search breakers, and whether the engine has answered them since. */
import type { Process } from "./Kernel.ts"

export class Breakers {
  /** Workers that said last that theirs is open; whether a request of theirs was answered since. */
  private readonly open: Map<Process, boolean> = new Map()

  told(process: Process, isClosed: boolean): void {
    if (isClosed) this.open.delete(process)
    else this.open.set(process, false)
  }

  answered(process: Process): void {
    if (this.open.has(process)) this.open.set(process, true)
  }

  /** A living worker whose breaker ought to be closed. */
  get wrong(): Process | undefined {
    return [...this.open].find(([process, answered]) => answered && process.state === "running")?.[0]
  }
}
