/** Starts a crowd of members in a process of its own, and kills what they depend on. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { OwnDatabase } from "./OwnDatabase.ts"
import { newNode, type Program } from "./Programs.ts"
import type { Chain } from "./RealtimeChain.ts"
import type { Report, Size } from "./RealtimeCrowd.ts"

export interface Crowd {
  /** Ends when everything that was said has been answered. */
  readonly speak: () => Promise<void>
  /** Ends when every member has its session's last number. */
  readonly report: (lastOf: Readonly<Record<string, number>>) => Promise<Report>
}

/** All have joined when it answers. */
export const crowd = async (size: Size): Promise<Crowd> => {
  const file = fileURLToPath(new URL("./RealtimeCrowd.ts", import.meta.url))
  const child = spawn(newNode, [file, JSON.stringify(size)], { stdio: ["ignore", "inherit", "inherit", "ipc"] })
  const heard = <A>(what: string) =>
    new Promise<A>((done, failed) => {
      child.on("message", (said: Readonly<Record<string, A>>) => what in said && done(said[what]!))
      child.once("exit", (code) => failed(new Error(`the crowd ended with ${code}`)))
    })
  const [joined, said, report] = [heard("joined"), heard<void>("said"), heard<Report>("report")]
  for (const each of [said, report]) each.catch(() => {})
  await joined
  return {
    speak: () => {
      child.send({ go: true })
      return said
    },
    report: (lastOf) => {
      child.send({ lastOf })
      return report.finally(() => child.kill())
    }
  }
}

export const roomsIn = async ({ query }: OwnDatabase, count: number) => {
  const ids = Array.from({ length: count }, () => crypto.randomUUID())
  for (const id of ids) await query("insert into tags (id, name, color) values ($1::uuid, $1, '#000000')", id)
  return ids.map((id) => `tag/${id}`)
}

/** Each kills with -9 and returns when the next is there, where the one before was. */
export interface Restarts {
  readonly gateway: () => Promise<void>
  readonly logic: () => Promise<void>
  readonly task: () => Promise<void>
  readonly nats: () => Promise<void>
}

export const restarting = async (running: Chain, gatewayCount: number) => {
  let logic = await running.logic()
  let task = await running.task()
  const gateways = await Promise.all(Array.from({ length: gatewayCount }, () => running.gateway()))
  const urls = gateways.map(({ url }) => url)
  const restart: Restarts = {
    gateway: async () => {
      await gateways[0]!.program.stop("SIGKILL")
      gateways[0] = await running.gateway(Number(new URL(urls[0]!).port))
    },
    logic: async () => {
      await logic.stop("SIGKILL")
      logic = await running.logic()
    },
    task: async () => {
      await task.stop("SIGKILL")
      task = await running.task()
    },
    nats: async () => {
      await running.nats.crash()
      await running.nats.again()
    }
  }
  const named = (name: string, { process: { pid = 0 } }: Program) => ({ name, pid })
  const programs = () => [
    named("logic", logic),
    named("task", task),
    ...gateways.map(({ program }, at) => named(`gateway ${at + 1}`, program))
  ]
  return { restart, urls, programs }
}
