/** The finding about log lines: are they JSON, and do those inside a request name its trace; no IO. */
import type { Check, Said } from "./Check.ts"
import type { LogFacts } from "./LogFacts.ts"
import type { SystemFacts } from "./SystemFacts.ts"

const asJson = "WORDLOOM_LOG_FORMAT=json (or DYN_LOGGING_JSONL=1)"
const withIds = "WORDLOOM_TRACING=local (ids in logs, nothing exported), or WORDLOOM_TRACING_ENABLED=1"

/** Without lines there are the settings. */
const bySettings = ({ logsAreJson, tracing }: SystemFacts): Said =>
  logsAreJson && tracing !== "off"
    ? { health: "ok", cause: "by the settings, log lines are JSON with trace_id and span_id (--logs looks at them)" }
    : {
      health: "warn",
      cause: tracing === "off" ? "tracing is off, so log lines have no trace_id" : "log lines are text for people",
      evidence: { tracing, json: logsAreJson },
      fix: tracing === "off" ? withIds : asJson
    }

const byLines = (logs: LogFacts, { tracing }: SystemFacts): Said => {
  const { lines, noJson, stray, traced, untraced, untracedServices } = logs
  const evidence = { lines, no_json: noJson, with_trace: traced, without_trace: untraced }
  if (lines === 0) return { health: "skip", cause: "there is no line in that log", evidence }
  if (2 * noJson >= lines) {
    return {
      health: "fail",
      cause: `${noJson} of the last ${lines} log lines are no JSON`,
      evidence: { ...evidence, first: stray },
      fix: `${asJson}, in whoever writes them`
    }
  }
  if (untracedServices.length > 0) {
    return {
      health: tracing === "off" ? "warn" : "fail",
      cause: `log lines of ${untracedServices.join(" and ")} name a request, but no trace`,
      evidence: { ...evidence, services: untracedServices.join(","), tracing },
      fix: `${withIds}, in ${untracedServices.join(" and ")}`
    }
  }
  if (traced === 0) {
    return { health: "skip", cause: `none of the last ${lines} log lines is of a request: make one`, evidence }
  }
  return noJson > 0
    ? {
      health: "warn",
      cause: `${noJson} of the last ${lines} log lines are no JSON`,
      evidence: { ...evidence, first: stray },
      fix: "look for what else writes there; a collector leaves such lines out"
    }
    : {
      health: "ok",
      cause: `the last ${lines} log lines are JSON, those of requests have trace_id and span_id`,
      evidence
    }
}

export const logChecks: ReadonlyArray<Check> = [
  ["DX-06", "no ids in logs", (facts) => facts.logs === null ? bySettings(facts) : byLines(facts.logs, facts)]
]
