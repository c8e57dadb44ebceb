/** The realtime chain as real processes on a real NATS, around a database of its own. */
import { start } from "../../infra/servers.js"
import { reservePorts } from "../../infra/servers/system.js"
import { type OwnDatabase, ownDatabase } from "./OwnDatabase.ts"
import { newNode, type Program, startProgram } from "./Programs.ts"

export interface Chain {
  readonly database: OwnDatabase
  readonly env: Readonly<Record<string, string>>
  readonly logic: () => Promise<Program>
  readonly task: () => Promise<Program>
  /** With the address that clients open. */
  readonly gateway: (port?: number) => Promise<{ readonly program: Program; readonly url: string }>
  readonly nats: Pick<Awaited<ReturnType<typeof start<"nats">>>, "crash" | "lose" | "again">
  readonly stop: () => Promise<void>
}

export const chain = async (more: Readonly<Record<string, string>> = {}): Promise<Chain> => {
  const database = await ownDatabase()
  const { grpc } = await reservePorts({ grpc: 0 })
  const nats = await start("nats")
  const env = {
    DATABASE_URL: database.url,
    NATS_URL: nats.url,
    WORDLOOM_GRPC_PORT: String(grpc),
    WORDLOOM_WS_PORT: "0",
    WORDLOOM_GATEWAY_HTTP_PORT: "0",
    WORDLOOM_LOGIC_HTTP_PORT: "0",
    WORDLOOM_TASK_HTTP_PORT: "0",
    WORDLOOM_SHUTDOWN_GRACE: "3s",
    OTEL_BSP_SCHEDULE_DELAY: "50",
    ...more
  }
  const programs: Array<Program> = []
  const run = async (name: string, ready: RegExp, own: Readonly<Record<string, string>> = {}) => {
    const program = startProgram(name, { ...env, ...own }, [], newNode)
    programs.push(program)
    return { program, found: await program.printed(ready) }
  }
  return {
    database,
    env,
    logic: async () => (await run("logic", /logic listening on/)).program,
    task: async () => (await run("task", /taking wordloom/)).program,
    gateway: async (port = 0) => {
      const own = { WORDLOOM_WS_PORT: String(port) }
      const { found, program } = await run("gateway", /gateway listening on (ws:[^"]+)/, own)
      return { program, url: found[1]! }
    },
    nats,
    stop: async () => {
      await Promise.all(programs.map((program) => program.stop()))
      await nats.stop()
      await database.drop()
    }
  }
}
