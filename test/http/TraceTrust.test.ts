/** What the real API makes of its callers' trace context and of their wish for a debug trace. */
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { otlpReceiver } from "../support/OtlpReceiver.ts"
import { startProgram, until } from "../support/Programs.ts"
import { parseMetrics } from "../support/Prometheus.ts"
import { fresh, type RunningApi, runningApi } from "../support/RunningApi.ts"

const parentOf = (traceId: string, flags: string) => `00-${traceId}-00f067aa0ba902b7-${flags}`
const hex = (length: number) =>
  [...crypto.getRandomValues(new Uint8Array(length))].map((byte) => byte.toString(16).padStart(2, "0")).join("")

const secret = "a secret for these tests"

const secretly = { WORDLOOM_TRACE_SECRET: secret }
const never = { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.0" }

const runCommand = async (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) => {
  const program = startProgram("wordloom", env, args)
  await program.ended
  return { code: program.process.exitCode, output: program.output(), errors: program.errors() }
}

type Headers = Readonly<Record<string, string>>

/** A write with these headers: its answer's `traceparent`, and what its rows say. */
const write = async ({ call, database }: RunningApi, headers: Headers) => {
  const answer = await call("POST", "/api/v1/tags", { headers, json: { name: fresh("trust"), color: "#123456" } })
  assert.strictEqual(answer.status, 201, answer.text)
  const rows = await database.query(
    "select traceparent, tracestate from search_outbox_events where entity_id = $1",
    answer.body.id
  )
  const traceparent = answer.headers["traceparent"] as string
  assert.strictEqual(rows[0]!["traceparent"].slice(0, 35), traceparent.slice(0, 35))
  assert.strictEqual(rows[0]!["traceparent"].slice(-2), traceparent.slice(-2))
  return {
    traceId: traceparent.slice(3, 35),
    flags: traceparent.slice(-2),
    tracestate: rows[0]!["tracestate"] as string | null,
    verdict: answer.headers["x-wordloom-debug"]
  }
}

describe("a caller that is not trusted", () => {
  let running: RunningApi
  let again: RunningApi
  beforeAll(async () => {
    const env = {
      ...secretly,
      WORDLOOM_TRACING: "local",
      OTEL_TRACES_SAMPLER: "traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.5"
    }
    running = await runningApi({ env })
    again = await runningApi({ env })
  })
  afterAll(() => Promise.all([running.stop(), again.stop()]))

  it("keeps its ids and cannot decide: every process decides alike, whatever its flag and its `ot` say", async () => {
    const decisions: Array<boolean> = []
    for (let count = 0; count < 40; count++) {
      // Random bits that a sampler by trace id would always keep.
      const traceId = `${hex(9)}ffffffffffffff`
      const seen = []
      for (const [program, flags] of [[running, "00"], [running, "01"], [again, "01"]] as const) {
        const made = await write(program, { traceparent: parentOf(traceId, flags), tracestate: "a=1,ot=th:0" })
        assert.strictEqual(made.traceId, traceId)
        assert.match(made.tracestate ?? "", /^ot=[^,]*rv:[0-9a-f]{14}[^,]*,a=1$/)
        assert.notMatch(made.tracestate ?? "", /th:0/)
        seen.push(made.flags)
      }
      assert.strictEqual(new Set(seen).size, 1)
      decisions.push(seen[0] === "01")
    }
    assert.includeMembers(decisions, [true, false])
  })

  it("cannot mark its trace for debugging through tracestate", async () => {
    const made = await write(running, { traceparent: parentOf(hex(16), "01"), tracestate: "wordloom=d:1,a=1" })
    assert.notInclude(made.tracestate, "wordloom")
  })
})

describe("a trace that begins anew", () => {
  it("only links to the caller's", async () => {
    const collector = await otlpReceiver()
    const running = await runningApi({
      env: {
        WORDLOOM_TRACING: "export",
        WORDLOOM_TRACE_TRUST: "restart",
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_BSP_SCHEDULE_DELAY: "10"
      }
    })
    const traceId = hex(16)
    const made = await write(running, { traceparent: parentOf(traceId, "00"), tracestate: "a=1" })
    assert.notStrictEqual(made.traceId, traceId)
    assert.isNull(made.tracestate)
    const server = await until(
      "the server span",
      () => collector.spans.find((span) => span.traceId === made.traceId && span.kind === "SERVER")
    )
    assert.strictEqual(server.parentSpanId, "")
    assert.deepStrictEqual(server.links, [{ traceId, spanId: "00f067aa0ba902b7" }])
    await running.stop()
    await collector.stop()
  })
})

describe("a debug trace", () => {
  let running: RunningApi
  let collector: Awaited<ReturnType<typeof otlpReceiver>>
  beforeAll(async () => {
    collector = await otlpReceiver()
    running = await runningApi({
      worker: true,
      env: {
        ...secretly,
        ...never,
        WORDLOOM_TRACING: "export",
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_BSP_SCHEDULE_DELAY: "10"
      }
    })
  })
  afterAll(async () => {
    await running.stop()
    await collector.stop()
  })

  /** Somebody else's request, as it comes through a proxy on this machine. */
  const forwarded = { "x-forwarded-for": "192.0.2.7" }

  const isWhole = (traceId: string) =>
    until("both halves", () => {
      const spans = collector.spans.filter((span) => span.traceId === traceId)
      return spans.filter(({ name }) => name === "outbox.process").length === 2 &&
          spans.some(({ kind }) => kind === "SERVER")
        ? spans
        : undefined
    })

  it("is kept whole, in both programs, where the ratio keeps nothing", async () => {
    const { code, output } = await runCommand(["debug-token", "--for", "5m"], secretly)
    assert.strictEqual(code, 0)
    const token = output.trim()
    const parent = { traceparent: parentOf(hex(16), "00"), tracestate: "a=1" }
    for (
      const [headers, rest] of [
        [{ ...forwarded, "x-wordloom-debug": token }, ""],
        [{ ...forwarded, ...parent, "x-wordloom-debug": token }, ",a=1"],
        [{ "x-wordloom-debug": "1" }, ""]
      ] as const
    ) {
      const made = await write(running, headers)
      assert.deepInclude(made, { flags: "01", verdict: "honoured" })
      assert.match(made.tracestate ?? "", new RegExp(`^(ot=[^,]*,)?wordloom=d:1(,ot=[^,]*)?${rest}$`))
      const spans = await isWhole(made.traceId)
      assert.isTrue(spans.find(({ kind }) => kind === "SERVER")!.attributes["wordloom.debug"])
      for (const { traceState } of spans) assert.match(traceState, /wordloom=d:1/)
    }
  })

  it("is not made for whoever has no right to it, and nobody gets an error", async () => {
    const expired = (await runCommand(["debug-token", "--for", "1s", "--json"], secretly)).output
    const { expires_at, token } = JSON.parse(expired) as Record<string, string>
    await until("the token's end", () => Date.now() > Date.parse(expires_at!) + 1_000)
    const cases = [
      [{ "x-wordloom-debug": "1" }, "invalid"],
      [{ "x-wordloom-debug": `${Math.floor(Date.now() / 1_000) + 60}.${"0".repeat(64)}` }, "invalid"],
      [{ "x-wordloom-debug": token! }, "expired"],
      [{ "x-wordloom-debug": "x".repeat(8_000) }, "invalid"],
      [{ "x-wordloom-debug": "0" }, undefined]
    ] as const
    for (const [headers, verdict] of cases) {
      const made = await write(running, { ...forwarded, ...headers })
      assert.deepStrictEqual([made.flags, made.verdict], ["00", verdict])
      assert.notInclude(made.tracestate ?? "", "wordloom")
    }
    const metrics = parseMetrics((await running.call("GET", "/metrics")).text)
    const results = metrics.get("wordloom_tracing_debug_requests_total")!.samples
      .map(({ labels, value }) => [labels["result"], value])
    assert.sameDeepMembers(results.filter(([result, count]) => result !== "honoured" && count !== 0), [["invalid", 3], [
      "expired",
      1
    ]])
  })

  it("leaves no trace of its token or of the secret in what the programs print and send", async () => {
    const { output } = await runCommand(["debug-token"], secretly)
    const token = output.trim()
    const made = await write(running, { ...forwarded, "x-wordloom-debug": token })
    await isWhole(made.traceId)
    const metrics = (await running.call("GET", "/metrics")).text
    const sent = JSON.stringify(
      collector.spans.map(({ attributes, name, traceState }) => [name, traceState, attributes])
    )
    const everything = sent + metrics + running.api.output() + running.api.errors()
    assert.notInclude(everything, token.split(".")[1]!)
    assert.notInclude(everything, secret)
  })
})

describe("wordloom debug-token", () => {
  it("says what it lacks", async () => {
    const without = await runCommand(["debug-token"], {})
    assert.deepStrictEqual([without.code, without.output], [2, ""])
    assert.match(without.errors, /WORDLOOM_TRACE_SECRET is not set/)
    const long = await runCommand(["debug-token", "--for", "2h"], secretly)
    assert.strictEqual(long.code, 2)
    assert.match(long.errors, /1s to 1h/)
    const short = await runCommand(["debug-token"], { WORDLOOM_TRACE_SECRET: "short" })
    assert.strictEqual(short.code, 78)
    assert.notInclude(short.errors, "=short")
  })
})
