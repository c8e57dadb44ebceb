/** What a run costs: its own CPU, all of PostgreSQL's, memory and time. Every measured process carries one. */
import { readdirSync, readFileSync } from "node:fs"

export interface Usage {
  readonly rows: number
  readonly seconds: number
  /** Rows per second. */
  readonly rate: number
  /** CPU microseconds per row: the worker's user and system time, and PostgreSQL's; null where /proc is missing. */
  readonly workerUs: number
  readonly postgresUs: number | null
  /** The most memory that the process ever held, and what it held when the clock started. */
  readonly rssMB: number
  readonly rssStartMB: number
  readonly load: number
}

/** Linux counts process times in hundredths of a second. */
const tickMs = 10

const fieldsOf = (pid: string) => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  // The second field is the program's name in brackets, which may hold spaces.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")
}

const ticks = (fields: ReadonlyArray<string>, from: number, to: number) =>
  fields.slice(from, to).reduce((sum, field) => sum + Number(field), 0)

/** CPU milliseconds of one process so far, or null. */
export const processCpuMs = (pid: number): number | null => {
  try {
    return ticks(fieldsOf(String(pid)), 11, 13) * tickMs
  } catch {
    return null
  }
}

/** Of a process with one thread, to the nanosecond where the kernel tells; in steps of 10 ms elsewhere. */
const oneThreadCpuMs = (pid: string) => {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6
  } catch {
    return ticks(fieldsOf(pid), 11, 13) * tickMs
  }
}

const childrenCpuMs = (parent: number) => {
  let sum = 0
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue
    try {
      if (Number(fieldsOf(pid)[1]) === parent) sum += oneThreadCpuMs(pid)
    } catch {
      // It has just ended.
    }
  }
  return sum
}

/** Of the postmaster, its children and those that it has reaped: autovacuum, the log's writer and all sessions. */
export const postgresCpuMs = (postmaster: number): number | null => {
  const reaped = () => ticks(fieldsOf(String(postmaster)), 13, 15) * tickMs
  try {
    for (;;) {
      const before = reaped()
      const sum = oneThreadCpuMs(String(postmaster)) + childrenCpuMs(postmaster)
      // A child that was reaped meanwhile may have been counted twice, or not at all.
      if (reaped() === before) return before + sum
    }
  } catch {
    return null
  }
}

export const loadNow = () => {
  try {
    return Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0])
  } catch {
    return Number.NaN
  }
}

/** How many rows go by before the clock starts: a first look at a table costs the same whatever its size. */
export const warmRows = Number(process.env["BENCH_WARM_ROWS"] ?? 0)

/** Starts measuring; the answer says what `rows` have cost since. Walking through /proc is not counted. */
export const meter = (postmaster = Number(process.env["BENCH_POSTMASTER"])) => {
  const load = loadNow()
  const rssStartMB = process.memoryUsage.rss() / 2 ** 20
  const postgres = postgresCpuMs(postmaster)
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  return (rows: number): Usage => {
    const seconds = (performance.now() - startedAt) / 1_000
    const { system, user } = process.cpuUsage(cpu)
    const postgresNow = postgresCpuMs(postmaster)
    return {
      rows,
      seconds,
      rate: rows / seconds,
      workerUs: (user + system) / rows,
      postgresUs: postgres === null || postgresNow === null ? null : (postgresNow - postgres) * 1_000 / rows,
      rssMB: process.resourceUsage().maxRSS / 1_024,
      rssStartMB,
      load
    }
  }
}
