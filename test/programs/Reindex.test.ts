/** The search index is rebuilt under real processes: no search fails or goes back in time, and no write is lost. */
import { assert, describe, inject, it } from "@effect/vitest"
import { afterAll, beforeAll, onTestFinished } from "vitest"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { created, fresh, newLibrary, newTag, type RunningApi, runningApi } from "../support/RunningApi.ts"

/** Enough that a build can be killed in its middle. */
const others = 8_000

const elasticUrl = inject("elasticsearchUrl")
const indexName = `wordloom-test-${crypto.randomUUID()}`

const engines: ReadonlyArray<readonly [string, Readonly<Record<string, string>> | undefined]> = [
  ["PostgreSQL", {}],
  ["Elasticsearch", elasticUrl === undefined ? undefined : { ELASTIC_URL: elasticUrl, ELASTIC_INDEX: indexName }]
]

afterAll(async () => {
  if (elasticUrl === undefined) return
  const found = await (await fetch(`${elasticUrl}/${indexName}-*`)).json() as Record<string, unknown>
  for (const name of Object.keys(found)) await fetch(`${elasticUrl}/${name}`, { method: "DELETE" })
})

/** As many as can be looked at one by one afterwards. */
const writtenMax = 60

/** Goes on until it is told to stop, or the test is over; what went wrong comes out then. */
const repeatedly = (once: () => Promise<unknown>) => {
  const state = { stopped: false }
  const over = (async () => {
    while (!state.stopped) await once()
  })()
  over.catch(() => {})
  const stop = async () => {
    state.stopped = true
    await over
  }
  onTestFinished(() => stop().catch(() => {}))
  return stop
}

const rebuilding = (env: Readonly<Record<string, string>>) => {
  let running: RunningApi
  const started: Array<Program> = []

  const begin = (...args: ReadonlyArray<string>) => {
    const program = startProgram("wordloom", { ...env, DATABASE_URL: running.database.url }, ["reindex", ...args])
    started.push(program)
    return program
  }
  const ended = async (program: Program) => {
    await until("the command's end", () => program.process.exitCode !== null || program.process.signalCode !== null)
    await program.stop()
    return { code: program.process.exitCode, out: program.output(), err: program.errors() }
  }
  const reindex = (...args: ReadonlyArray<string>) => ended(begin(...args))

  const written = async () => {
    const [build] = await running.database.query("select phase, written::float8 as written from search_builds")
    return build?.["phase"] === "building" ? Number(build["written"]) : 0
  }

  beforeAll(async () => {
    running = await runningApi({ worker: true, env })
    await running.database.query(
      `insert into tags (id, name, color, version) select uuidv7(), 'other ' || n, '#1E90FF', 1
        from generate_series(1, ${others}) as n`
    )
  })
  afterAll(async () => {
    await Promise.all(started.map((program) => program.stop("SIGKILL")))
    await running.stop()
  })

  const hitsOf = async (word: string) => {
    const answer = await running.call("GET", `/api/v1/search?q=${encodeURIComponent(`"${word}"`)}`)
    assert.strictEqual(answer.status, 200, answer.text)
    return answer.body.items as ReadonlyArray<{ readonly id: string; readonly version: number }>
  }

  const settled = () =>
    until("the outbox to be empty", async () => {
      const [row] = await running.database.query("select count(*)::integer as left from outbox_search")
      return row!["left"] === 0
    })

  /** By entity: the word that it is found by, and its version; 0 once it is removed. */
  const expected = new Map<string, { readonly word: string; readonly version: number }>()

  const assertAll = async () => {
    await settled()
    for (const [id, { version, word }] of expected) {
      await until(`${word} at version ${version}`, async () => {
        const hits = (await hitsOf(word)).filter((hit) => hit.id === id)
        return version === 0 ? hits.length === 0 : hits[0]?.version === version
      })
    }
  }

  const add = async () => {
    const tag = await newTag(running.call)
    expected.set(tag["id"], { word: tag["name"], version: 1 })
  }

  const remove = async (one: readonly [string, { readonly word: string; readonly version: number }] | undefined) => {
    if (one === undefined || one[1].version !== 1) return
    const [id, { word }] = one
    const { status } = await running.call("DELETE", `/api/v1/tags/${id}`)
    if (status === 204) expected.set(id, { word, version: 0 })
  }

  /** Changes one entity again and again, adds others and removes some; each is known by words of its own. */
  const writing = async () => {
    const library = await newLibrary(running.call)
    const beacon = await created(running.call, "blocks", {
      library_id: library["id"],
      title: fresh("beacon"),
      body: ""
    })
    const [id, word] = [beacon["id"] as string, beacon["title"] as string]
    expected.set(id, { word, version: 1 })
    await until("the beacon", async () => (await hitsOf(word)).length === 1)
    let turn = 0
    const stop = repeatedly(async () => {
      const changed = await running.call("PATCH", `/api/v1/blocks/${id}`, { json: { body: `turn ${++turn}` } })
      assert.strictEqual(changed.status, 200, changed.text)
      expected.set(id, { word, version: changed.body.version })
      if (expected.size < writtenMax) await add()
      if (turn % 3 === 0) await remove([...expected].at(-5))
    })
    return { id, word, stop }
  }

  const searching = ({ id, word }: { readonly id: string; readonly word: string }) => {
    let seen = 0
    let asked = 0
    const stop = repeatedly(async () => {
      const hits = await hitsOf(word)
      assert.deepStrictEqual(hits.map((hit) => hit.id), [id], "the beacon is found, and once")
      assert.isAtLeast(hits[0]!.version, seen, "no search finds an older version than one before")
      seen = hits[0]!.version
      asked++
    })
    return { stop, asked: () => asked }
  }

  it("while writes and searches go on; killed, resumed, rolled back and cleared", async () => {
    const beacon = await writing()
    const searcher = searching(beacon)

    const killed = begin()
    await until("some pages", async () => await written() > 0)
    // Stopped, so that it cannot have come to its end by then.
    killed.process.kill("SIGSTOP")
    const second = await reindex()
    assert.strictEqual(second.code, 1)
    assert.match(second.err, /another process is at work on the search index/)
    await killed.stop("SIGKILL")
    assert.isAbove(await written(), 0)

    const resumed = await reindex("--json")
    assert.strictEqual(resumed.code, 0, resumed.err)
    assert.match(resumed.err, /going on at [\d,]+ of [\d,]+ entities/)
    const { entities, kept, live, resumed_at, rollback } = JSON.parse(resumed.out)
    assert.isAbove(entities, others)
    assert.isAbove(resumed_at, 0)
    assert.isTrue(rollback)

    const asked = searcher.asked()
    await until("searches after the swap", () => searcher.asked() > asked + 20)
    await beacon.stop()
    await assertAll()
    const back = await reindex("--rollback", "--json")
    assert.deepInclude(JSON.parse(back.out), { live: kept, kept: live })
    await assertAll()

    const again = repeatedly(() => expected.size < 2 * writtenMax ? add() : newTag(running.call))
    assert.strictEqual((await reindex("--rollback")).code, 0)
    assert.strictEqual((await reindex("--rollback")).code, 0)
    const dropped = await reindex("--drop-old")
    assert.deepInclude(dropped, { code: 0, out: `dropped: ${live}\n` })
    await again()
    await assertAll()
    await searcher.stop()

    const nothing = await reindex("--rollback")
    assert.strictEqual(nothing.code, 1)
    assert.match(nothing.err, /no earlier generation is kept/)
    const dead = await running.database.query("select from outbox_dead")
    assert.lengthOf(dead, 0)
  })

  it("can be abandoned, and then begins anew", async () => {
    const killed = begin()
    await until("some pages", async () => await written() > 0)
    await killed.stop("SIGKILL")
    const abandoned = await reindex("--abandon")
    assert.strictEqual(abandoned.code, 0, abandoned.err)
    assert.match(abandoned.out, /^dropped: /)
    assert.lengthOf(await running.database.query("select from search_builds"), 0)
    assert.match((await reindex("--abandon")).out, /nothing is being built/)
    const whole = await reindex()
    assert.strictEqual(whole.code, 0, whole.err)
    assert.match(whole.out, /^live: .*\nkept: .*--rollback/)
    await assertAll()
  })

  it("refuses two of its flags at once", async () => {
    const { code, err } = await reindex("--rollback", "--drop-old")
    assert.strictEqual(code, 2)
    assert.match(err, /say one of them/)
  })
}

/** As an earlier version made it: without the names of others, under the one alias that it had. */
const earlierIndex = (alias: string) => ({
  mappings: {
    dynamic: "strict",
    _meta: { wordloom_mapping: "0123456789abcdef" },
    properties: {
      kind: { type: "keyword" },
      id: { type: "keyword" },
      version: { type: "long" },
      title: { type: "text", fields: { exact: { type: "keyword", normalizer: "lowercase" } } },
      body: { type: "text", index_options: "offsets" },
      library_id: { type: "keyword" },
      tag_ids: { type: "keyword" },
      deleted: { type: "boolean" }
    }
  },
  aliases: { [alias]: { is_write_index: true } }
})

const upgrading = (url: string) => {
  it("begins from an index of another mapping, searched meanwhile, and no worker is started anew", async () => {
    const alias = `${indexName}-earlier`
    const put = async (path: string, body: object) => {
      const headers = { "content-type": "application/json" }
      const answer = await fetch(`${url}/${path}`, { method: "PUT", headers, body: JSON.stringify(body) })
      assert.isTrue(answer.ok, `${path}: ${answer.status}`)
    }
    await put(`${alias}-000001`, earlierIndex(alias))
    const id = crypto.randomUUID()
    const old = {
      kind: "tag",
      id,
      version: 1,
      title: "heirloom",
      body: "",
      library_id: null,
      tag_ids: [],
      deleted: false
    }
    await put(`${alias}-000001/_doc/${id}?refresh=true`, old)
    const env = { ELASTIC_URL: url, ELASTIC_INDEX: alias }
    const running = await runningApi({ worker: true, env })
    onTestFinished(running.stop)
    const found = async (word: string) => {
      const answer = await running.call("GET", `/api/v1/search?q=${encodeURIComponent(`"${word}"`)}`)
      assert.strictEqual(answer.status, 200, answer.text)
      return (answer.body.items as ReadonlyArray<unknown>).length
    }

    const tag = await newTag(running.call)
    await until("the breaker to open", async () => {
      const [breaker] = await running.database.query(
        "select error_type from outbox_breakers where projection = 'search'"
      )
      return breaker?.["error_type"] === "es_mapping_foreign"
    })
    assert.strictEqual(await found("heirloom"), 1)
    const command = startProgram("wordloom", { ...env, DATABASE_URL: running.database.url }, ["reindex"])
    await until("the rebuild", () => command.process.exitCode !== null)
    assert.strictEqual(await command.stop(), 0, command.errors())
    assert.match(command.output(), /kept: .*-000001, as it was/)
    assert.strictEqual(await found(tag["name"]), 1)
    const later = await newTag(running.call)
    await until("the worker to go on by itself", async () => await found(later["name"]) === 1)
    assert.lengthOf(await running.database.query("select from outbox_dead"), 0)
  })
}

for (const [name, env] of engines) {
  if (env === undefined) it.skip(`a rebuild of the index in ${name}: Elasticsearch is not installed`, () => {})
  else describe(`a rebuild of the index in ${name}`, () => rebuilding(env))
}
if (elasticUrl !== undefined) describe("a rebuild after an upgrade", () => upgrading(elasticUrl))
