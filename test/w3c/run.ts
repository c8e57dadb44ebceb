/**
 * `npm run w3c`: the W3C's own test suite against the product, once over HTTP and once through the outbox.
 *
 * `WORDLOOM_TEST_W3C` names the folder of its `test.py`, `WORDLOOM_TEST_PYTHON` a Python that has aiohttp; both are in
 * .tools/w3c after `infra/install-w3c.sh`. `WORDLOOM_TRACE_TRUST` and the sampler's settings are passed on. Exit 1 if
 * any case fails, 2 if something is missing.
 */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startService, type Way, ways } from "./Forwarding.ts"

const tools = join(import.meta.dirname, "../../.tools/w3c")
const suite = process.env["WORDLOOM_TEST_W3C"] ?? join(tools, "suite/test")
const python = process.env["WORDLOOM_TEST_PYTHON"] ?? join(tools, "python/bin/python")

const passedOn = ["WORDLOOM_TRACE_TRUST", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"]

const say = (text: string) => process.stdout.write(`${text}\n`)

const lacking = () => {
  if (!existsSync(join(suite, "test.py"))) return `there is no test.py in ${suite}`
  if (spawnSync(python, ["-c", "import aiohttp"]).status !== 0) return `${python} has no aiohttp`
  return undefined
}

const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  return String(typeof address === "object" && address !== null ? address.port : 0)
}

const run = async (way: Way, url: string) => {
  say(`\n== ${way === "direct" ? "over HTTP" : "through API, row, worker and outbound call"}`)
  const child = spawn(python, [join(suite, "test.py"), url], {
    env: { ...process.env, STRICT_LEVEL: "2", SPEC_LEVEL: "2", HARNESS_PORT: await freePort(), HARNESS_TIMEOUT: "10" },
    stdio: ["ignore", "inherit", "pipe"]
  })
  let told = ""
  child.stderr.on("data", (chunk: Buffer) => {
    told += chunk.toString()
    process.stderr.write(chunk)
  })
  const [code] = await once(child, "close")
  const count = (pattern: RegExp) => told.match(pattern)?.length ?? 0
  const passed = count(/\.\.\. ok$/gm)
  const all = Number(/^Ran (\d+) tests/m.exec(told)?.[1] ?? 0)
  return { way, passed, all, isGood: code === 0 && passed === all && all > 0 }
}

const main = async () => {
  const why = lacking()
  if (why !== undefined) {
    process.stderr.write(`${why}: infra/install-w3c.sh fetches the suite and what it needs\n`)
    return 2
  }
  const home = mkdtempSync(join(tmpdir(), "wordloom-w3c-"))
  const service = await startService({
    ...Object.fromEntries(
      passedOn.flatMap((name) => process.env[name] === undefined ? [] : [[name, process.env[name]]])
    ),
    WORDLOOM_HOME: join(home, "data"),
    OUTBOX_HTTP_PORT: "0",
    OUTBOX_METRICS_PORT: "0"
  })
  try {
    const results = []
    for (const way of ways) results.push(await run(way, service.url(way)))
    say("")
    for (const { all, passed, way } of results) say(`${way}: ${passed}/${all}`)
    return results.every(({ isGood }) => isGood) ? 0 : 1
  } finally {
    await service.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

process.exitCode = await main()
