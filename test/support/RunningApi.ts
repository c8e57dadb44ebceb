/** The real API, and the worker where a test needs one, on a database of their own for a whole test file. */
import { assert } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { type Answer, type Caller, callerOf } from "./HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "./OwnDatabase.ts"
import { type Program, startProgram } from "./Programs.ts"

export const programsEnv = (database: { readonly url: string }) => ({
  DATABASE_URL: database.url,
  WORDLOOM_HTTP_PORT: "0",
  OUTBOX_HTTP_PORT: "0",
  OUTBOX_METRICS_PORT: "0"
})

export const listening = async (program: Program) => (await program.printed(/listening on (http:\/\/[^"]+)/))[1]!

export interface RunningApi {
  readonly base: string
  readonly call: Caller
  readonly api: Program
  readonly database: OwnDatabase
  readonly stop: () => Promise<void>
}

export interface Running {
  readonly worker?: boolean
  readonly env?: Readonly<Record<string, string>>
  /** What only the API is told. */
  readonly apiEnv?: Readonly<Record<string, string>>
}

export const runningApi = async (options: Running = {}): Promise<RunningApi> => {
  const database = await ownDatabase()
  const env = { ...programsEnv(database), OUTBOX_POLL_INTERVAL: "50ms", ...options.env }
  const api = startProgram("api", { ...env, ...options.apiEnv })
  const worker = options.worker === true ? startProgram("worker", env) : undefined
  const base = await listening(api)
  await worker?.printed(/draining/)
  return {
    base,
    call: callerOf(base),
    api,
    database,
    stop: async () => {
      await Promise.all([worker?.stop(), api.stop()])
      await database.drop()
    }
  }
}

/** One for all tests of a suite. */
export const apiForAll = (options?: Running): Omit<RunningApi, "stop"> => {
  let running: RunningApi
  beforeAll(async () => {
    running = await runningApi(options)
  })
  afterAll(() => running.stop())
  return {
    call: (...said) => running.call(...said),
    get base() {
      return running.base
    },
    get api() {
      return running.api
    },
    get database() {
      return running.database
    }
  }
}

/** Names that no other test of the file has. */
let named = 0
export const fresh = (what: string) => `${what} ${process.pid.toString(36)} ${++named}`

export const created = async (call: Caller, path: string, json: Readonly<Record<string, unknown>>) => {
  const answer = await call("POST", `/api/v1/${path}`, { json })
  assert.strictEqual(answer.status, 201, answer.text)
  return answer.body as Record<string, any>
}

export const newTag = (call: Caller, name = fresh("tag")) => created(call, "tags", { name, color: "#1E90FF" })
export const newLibrary = (call: Caller, name = fresh("library")) => created(call, "libraries", { name })

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  503: "Service Unavailable"
}

/** Contract §3: what every error has; `paths` are the fields that a 400 names. */
export const isProblem = (answer: Answer, status: number, paths?: ReadonlyArray<string>) => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.strictEqual(answer.headers["content-type"], "application/problem+json")
  const { detail, errors, request_id, status: said, title, trace_id, type } = answer.body
  assert.strictEqual(type, "about:blank")
  assert.strictEqual(title, titles[status])
  assert.strictEqual(said, status)
  assert.isString(detail)
  assert.isNotEmpty(detail)
  assert.strictEqual(request_id, answer.headers["x-request-id"])
  const traceparent = answer.headers["traceparent"] as string | undefined
  assert.strictEqual(trace_id, traceparent?.slice(3, 35))
  if (paths === undefined) return
  assert.sameMembers((errors as ReadonlyArray<{ path: string }>).map(({ path }) => path), [...paths], answer.text)
  for (const { message } of errors) assert.isNotEmpty(message)
}

/** Every line that a program printed is one JSON object. */
export const logLines = (program: Program): ReadonlyArray<Record<string, any>> =>
  program.output().split("\n").slice(0, -1).map((line) => {
    const value = JSON.parse(line)
    assert.isTrue(typeof value === "object" && value !== null && !Array.isArray(value), line)
    return value
  })
