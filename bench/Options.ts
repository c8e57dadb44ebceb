/** The command line of the benchmark. */
import { parseArgs } from "node:util"

export const stageNames = [
  "drain",
  "growth",
  "held",
  "enqueue",
  "latency",
  "tracing",
  "project",
  "visible",
  "find",
  "rebuild",
  "exporter",
  "writes",
  "recording",
  "scrape",
  "keep",
  "explain",
  "page"
] as const
export type StageName = (typeof stageNames)[number]

export interface Options {
  readonly stages: ReadonlyArray<StageName>
  readonly rounds: number
  /** Replaces each stage's own number of rows. */
  readonly rows: number | undefined
  /** Replaces how long a stage measures each thing, where it measures for a time. */
  readonly seconds: number | undefined
  /** What is wrong with `exporter`'s collectors; all of it without. */
  readonly faults: ReadonlyArray<string> | undefined
  readonly quick: boolean
  readonly full: boolean
  readonly allPeers: boolean
}

const usage = (message: string): never => {
  process.stderr.write(`${message}
usage: npm run bench -- [--stage NAME[,NAME…]] [--rounds N] [--rows N] [--seconds N] [--faults NAME[,NAME…]]
       [--quick] [--full] [--peers all]
stages: ${stageNames.join(" ")} all
--quick: one round and a fifth of the rows; the figures are rough
--full: growth also with 5,000,000 rows
--peers all: pg-boss too
`)
  process.exit(2)
}

const positive = (name: string, text: string | undefined) => {
  if (text === undefined) return undefined
  return /^[1-9]\d{0,7}$/.test(text) ? Number(text) : usage(`--${name} is a number from 1 to 99999999`)
}

const parsed = (args: ReadonlyArray<string>) => {
  try {
    return parseArgs({
      args: [...args],
      options: {
        stage: { type: "string", default: "all" },
        rounds: { type: "string" },
        rows: { type: "string" },
        seconds: { type: "string" },
        faults: { type: "string" },
        peers: { type: "string", default: "some" },
        quick: { type: "boolean", default: false },
        full: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

export const readOptions = (args: ReadonlyArray<string>): Options => {
  const values = parsed(args)
  const names = values.stage.split(",")
  const unknown = names.find((name) => name !== "all" && !stageNames.some((stage) => stage === name))
  if (unknown !== undefined) usage(`there is no stage called ${unknown}`)
  if (!["some", "all"].includes(values.peers)) usage("--peers is all or left out")
  return {
    stages: stageNames.filter((stage) => names.includes("all") || names.includes(stage)),
    rounds: positive("rounds", values.rounds) ?? (values.quick ? 1 : 3),
    rows: positive("rows", values.rows),
    seconds: positive("seconds", values.seconds),
    faults: values.faults?.split(","),
    quick: values.quick,
    full: values.full,
    allPeers: values.peers === "all"
  }
}
