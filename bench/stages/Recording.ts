/** What recording costs a request of five spans: not at all, not kept, waiting for its fate, kept. */
import { start } from "../Children.ts"
import type { Finding } from "../Findings.ts"
import { median, shown, spread } from "../Numbers.ts"
import { interleaved } from "../Progress.ts"
import type { Stage } from "../Stage.ts"

interface Mode {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
  readonly ending?: "fails"
}

const ratio = (value: string) => ({
  WORDLOOM_TRACING: "export",
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: value,
  OTEL_BSP_MAX_QUEUE_SIZE: "20000"
})

const modes: ReadonlyArray<Mode> = [
  { name: "tracing off", env: {} },
  { name: "not sampled, nothing kept", env: { ...ratio("0"), WORDLOOM_TRACE_KEEP: "none" } },
  { name: "not sampled, waits for its fate", env: ratio("0") },
  { name: "not sampled, failed, kept", env: ratio("0"), ending: "fails" },
  { name: "sampled", env: ratio("1") }
]

interface Run {
  readonly mode: string
  readonly us: number
  readonly exported: number
  readonly dropped: number
}

const measure = async ({ ending, env, name }: Mode, requests: number): Promise<Run> => {
  const timeoutMs = 300_000
  const sink = start({ file: "OtlpSink.ts", args: [], env: {}, timeoutMs })
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await sink.ready}` }
  const child = { file: "wordloom/program.js", args: ["traced", "cost", String(requests), ending ?? "ok"] }
  const found = await start({ ...child, env: { ...endpoint, ...env }, timeoutMs }).result
  sink.tell()
  await sink.result
  return { mode: name, ...found }
}

const finding = (runs: ReadonlyArray<Run>, requests: number): Finding => {
  const of = (name: string) => runs.filter(({ mode }) => mode === name)
  const off = median(of(modes[0]!.name).map(({ us }) => us))
  return {
    stage: "recording",
    title: `${shown(requests, 0)} requests of five spans, one after the other; CPU of the whole process`,
    head: ["", "µs each", "more than off", "exported", "dropped"],
    rows: modes.map(({ name }) => [
      name,
      spread(of(name).map(({ us }) => us)),
      shown(median(of(name).map(({ us }) => us)) - off, 1),
      shown(median(of(name).map(({ exported }) => exported)), 0),
      shown(median(of(name).map(({ dropped }) => dropped)), 0)
    ]),
    figures: [],
    notes: ["kept and sampled ones are sent to a collector that only counts, as far as the queue has room"],
    runs
  }
}

export const recording: Stage = {
  peers: () => [],
  run: async ({ options, progress }) => {
    const requests = options.rows ?? (options.quick ? 10_000 : 50_000)
    const plan = interleaved(options.rounds, modes)
    const runs: Array<Run> = []
    for (const [at, { thing }] of plan.entries()) {
      progress.step(at, plan.length, thing.name)
      runs.push(await measure(thing, requests))
    }
    return finding(runs, requests)
  }
}
