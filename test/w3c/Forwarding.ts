/** The test service: both programs on one database, and the two ways in which it passes a trace on. */
import { fileURLToPath } from "node:url"
import { type Program, startScript } from "../support/Programs.ts"

export const ways = ["direct", "outbox"] as const
export type Way = typeof ways[number]

export interface Service {
  readonly url: (way: Way) => string
  readonly programs: ReadonlyArray<Program>
  readonly stop: () => Promise<void>
}

const script = fileURLToPath(new URL("program.js", import.meta.url))

export const startService = async (env: Readonly<Record<string, string>>): Promise<Service> => {
  const settings = { WORDLOOM_TRACING: "local", OUTBOX_POLL_INTERVAL: "50ms", ...env }
  const programs = ["worker", "api"].map((name) => startScript(script, settings, [name]))
  const [worker, api] = programs
  const stop = async () => {
    await Promise.all(programs.map((program) => program.stop()))
  }
  try {
    const [, base] = await api!.printed(/listening on (http:\/\/[^"]+)/)
    await worker!.printed(/draining/)
    return { url: (way) => `${base}/${way}`, programs, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
