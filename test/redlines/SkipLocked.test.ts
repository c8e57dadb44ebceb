/**
 * S3-61, S3-62: what observes statements runs none, and claims behave the same with it and without it. Two workers with
 * two slots each meet at the same lanes.
 */
import { assert, describe, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import { beforeAll } from "vitest"
import { ownDatabase } from "../support/OwnDatabase.ts"
import { startProgram, until } from "../support/Programs.ts"
import { programsEnv } from "../support/RunningApi.ts"
import { statementTap } from "../support/StatementTap.ts"
import { tcpProxy } from "../support/TcpProxy.ts"

const fixture = fileURLToPath(new URL("fixtures/throwing.js", import.meta.url))
const rowsMax = 600

interface Run {
  readonly statements: ReadonlySet<string>
  readonly attempts: Readonly<Record<string, any>>
  readonly entries: number
  readonly exits: ReadonlyArray<number | null>
}

const run = async (env: Readonly<Record<string, string>>): Promise<Run> => {
  const tap = statementTap()
  const database = await ownDatabase()
  const proxy = await tcpProxy(database.url, tap.connection)
  const first = startProgram("wordloom", { DATABASE_URL: database.url }, ["migrate"])
  await first.ended
  // Removals of what is gone already: both destinations take them, whatever else is there.
  for (const projection of ["search", "chronicle"]) {
    await database.query(
      `insert into outbox_${projection} (entity_type, entity_id, entity_version, op, traceparent)
        select 'tag', gen_random_uuid(), 1, 'delete',
          '00-' || replace(gen_random_uuid()::text, '-', '') || '-00f067aa0ba902b7-01'
        from generate_series(1, ${rowsMax})`
    )
  }
  const more = { ...programsEnv(proxy), OUTBOX_BATCH_SIZE: "25", OUTBOX_POLL_INTERVAL: "50ms", ...env }
  const workers = [startProgram("worker", more), startProgram("worker", more)]
  try {
    await until("all of them to be told", async () => {
      const [left] = await database.query(
        "select (select count(*) from outbox_search) + (select count(*) from outbox_chronicle) as rows"
      )
      return Number(left!["rows"]) === 0
    })
    const [attempts] = await database.query(
      `select count(*)::int as made, count(distinct (projection, event_id))::int as rows,
        count(*) filter (where outcome in ('acked', 'superseded'))::int as ok from outbox_attempts`
    )
    const [entries] = await database.query("select count(*)::int as entries from chronicle_entries")
    const exits = await Promise.all(workers.map((worker) => worker.stop()))
    return { statements: tap.statements, attempts: attempts!, entries: entries!["entries"], exits }
  } finally {
    await Promise.all(workers.map((worker) => worker.stop("SIGKILL")))
    await proxy.stop()
    await database.drop()
  }
}

const hooks: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "hooks on": { WORDLOOM_TRACING: "local", METRICS_ENABLED: "true" },
  "hooks that throw at every call": {
    WORDLOOM_TRACING: "local",
    WORDLOOM_TEST_BROKEN: "metrics,tracer,spans",
    NODE_OPTIONS: `--import ${fixture}`
  }
}

describe("claims", () => {
  let off: Run
  beforeAll(async () => {
    off = await run({ WORDLOOM_TRACING: "off", METRICS_ENABLED: "false" })
  })

  const isRight = ({ attempts, entries, exits }: Run) => {
    assert.deepStrictEqual(attempts, { made: 2 * rowsMax, rows: 2 * rowsMax, ok: 2 * rowsMax }, "no row is given twice")
    assert.strictEqual(entries, off.entries)
    assert.deepStrictEqual(exits, [0, 0])
  }

  it("take each row once without hooks", () => {
    isRight(off)
    assert.isTrue(
      [...off.statements].some((statement) => /skip locked/i.test(statement)),
      "a claim skips what is locked"
    )
  })

  for (const [name, env] of Object.entries(hooks)) {
    it(`take each row once with ${name}, and say no statement that is not said without them`, async () => {
      const on = await run(env)
      isRight(on)
      assert.deepStrictEqual([...on.statements].filter((statement) => !off.statements.has(statement)), [])
    })
  }
})
