/**
 * A machine park in one thread: processes that can be stopped, continued and killed between any two of their steps.
 *
 * Every process has a scheduler and a clock of its own for its fibers. A killed process never takes another step, so
 * nothing of it is cleaned up; a stopped one takes its steps later, timers included. Time stands still while anybody
 * has something to do, and then jumps to the next timer; who goes first at one instant is drawn from the seed.
 */
import { type Clock, Duration, Effect, type Scheduler } from "effect"
import type { Chance } from "./Chance.ts"

/** Milliseconds since 1970: some day that is long enough after the epoch for every clock skew. */
export const epoch = 1_800_000_000_000

/** So many steps without any time passing are a loop that never ends. */
const stepsMax = 20_000
/** As Effect's own default: a fiber lets others have a turn after so many operations. */
const operationsMax = 2_048

type Task = () => void

interface Timer {
  readonly at: number
  readonly number: number
  readonly process: Process
  readonly task: Task
  cancelled: boolean
}

export class Stuck extends Error {
  override readonly name = "Stuck"
}

const isBefore = (a: Timer, b: Timer) => a.at === b.at ? a.number < b.number : a.at < b.at

/** A binary heap; the earliest timer is at its top. */
class Timers {
  private readonly heap: Array<Timer> = []

  get first(): Timer | undefined {
    return this.heap[0]
  }

  add(timer: Timer): void {
    const { heap } = this
    let at = heap.push(timer) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(timer, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = timer
  }

  take(): void {
    const { heap } = this
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

export class Process implements Scheduler.Scheduler {
  readonly executionMode = "async"
  state: "running" | "stopped" | "dead" = "running"
  readonly clock: Clock.Clock
  readonly name: string
  private readonly kernel: Kernel
  private tasks: Array<Task> = []
  private at = 0

  /** `skew` is how far its wall clock is ahead, in milliseconds. */
  constructor(kernel: Kernel, name: string, skew: number) {
    this.kernel = kernel
    this.name = name
    this.clock = clockOf(kernel, this, skew)
  }

  shouldYield(fiber: { readonly currentOpCount: number }): boolean {
    return fiber.currentOpCount >= operationsMax
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => this.post(task), flush: () => {} }
  }

  get hasWork(): boolean {
    return this.state === "running" && this.at < this.tasks.length
  }

  /** Has the task done as its next step but those before it. */
  post(task: Task): void {
    if (this.state === "dead") return
    this.tasks.push(task)
    this.kernel.wake(this)
  }

  after(ms: number, task: Task): { readonly cancel: () => void } {
    return this.kernel.after(this, ms, task)
  }

  step(): void {
    const task = this.tasks[this.at++]!
    if (this.at === this.tasks.length) {
      this.tasks = []
      this.at = 0
    }
    task()
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.state === "running") this.state = "stopped"
  }

  /** SIGCONT. */
  resume(): void {
    if (this.state !== "stopped") return
    this.state = "running"
    this.kernel.wake(this)
  }

  /** SIGKILL. */
  kill(): void {
    this.state = "dead"
    this.tasks = []
    this.at = 0
  }
}

const clockOf = (kernel: Kernel, process: Process, skew: number): Clock.Clock => {
  const nanosOf = (ms: number) => BigInt(Math.round(ms * 1_000)) * 1_000n
  const millis = () => Math.floor(epoch + skew + kernel.now)
  const nanos = () => nanosOf(epoch + skew) + nanosOf(kernel.now)
  const monotonic = () => nanosOf(kernel.now)
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: monotonic,
    monotonicTimeNanos: Effect.sync(monotonic),
    sleep: (duration) => {
      const ms = Duration.toMillis(duration)
      if (!Number.isFinite(ms)) return Effect.never
      return Effect.callback<void>((resume) => {
        const timer = process.after(ms, () => resume(Effect.void))
        return Effect.sync(timer.cancel)
      })
    }
  }
}

export class Kernel {
  /** Milliseconds since the simulation began. */
  now = 0
  private readonly timers = new Timers()
  private readonly ready: Array<Process> = []
  private readonly order: Chance
  private numbers = 0
  private stepsNow = 0

  constructor(order: Chance) {
    this.order = order
  }

  spawn(name: string, skew = 0): Process {
    return new Process(this, name, skew)
  }

  after(process: Process, ms: number, task: Task): { readonly cancel: () => void } {
    // Microseconds are the database's own grain: two clocks of one instant must agree.
    const at = Math.round((this.now + Math.max(0, ms)) * 1_000) / 1_000
    const timer = { at, number: ++this.numbers, process, task, cancelled: false }
    this.timers.add(timer)
    return { cancel: () => void (timer.cancelled = true) }
  }

  wake(process: Process): void {
    if (process.hasWork && !this.ready.includes(process)) this.ready.push(process)
  }

  /** One task of whoever has some. */
  private step(): void {
    const { ready } = this
    const at = ready.length === 1 ? 0 : this.order.int(0, ready.length - 1)
    const process = ready[at]!
    if (process.hasWork) {
      if (++this.stepsNow > stepsMax) throw new Stuck(`${process.name} is busy for ever, and no time passes`)
      process.step()
    }
    if (!process.hasWork) ready.splice(ready.indexOf(process), 1)
  }

  /** Goes on until `until` holds, which is asked whenever time is about to pass; `false` if that was not by `limit`. */
  run(limit: number, until: () => boolean): boolean {
    for (;;) {
      while (this.ready.length > 0) this.step()
      if (until()) return true
      let { first } = this.timers
      while (first !== undefined && (first.cancelled || first.process.state === "dead")) {
        this.timers.take()
        first = this.timers.first
      }
      if (first === undefined || first.at > limit) {
        this.now = Math.max(this.now, limit)
        return until()
      }
      this.timers.take()
      if (first.at > this.now) {
        this.now = first.at
        this.stepsNow = 0
      }
      first.process.post(first.task)
    }
  }
}
