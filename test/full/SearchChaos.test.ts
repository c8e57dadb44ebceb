/** Five hundred entities change at random while the engine is killed, throttled, read-only and rebuilt. */
import { assert, describe, it } from "@effect/vitest"
import { missing, start } from "../../infra/servers.js"
import { engineProxy } from "../support/EngineProxy.ts"
import { type Caller, callerOf } from "../support/HttpCall.ts"
import { type OwnDatabase, ownDatabase } from "../support/OwnDatabase.ts"
import { type Program, startProgram, until } from "../support/Programs.ts"
import { listening, newLibrary, newTag, programsEnv } from "../support/RunningApi.ts"
import { type Random, withSeed } from "../support/Seeded.ts"

const index = "chaos"
const entities = 500
const clients = 8
const isWhole = process.env["WORDLOOM_FULL"] === "1"
const lastsMs = isWhole ? 60_000 : 20_000

const lacking = missing("elasticsearch")
if (lacking !== undefined) console.warn(`Search under faults is not tested: ${lacking}`)

interface Shelf {
  readonly libraries: ReadonlyArray<string>
  readonly tags: ReadonlyArray<string>
  /** The blocks that are there, as far as answers tell; a removed one's place is taken by a new one. */
  readonly blocks: Array<string | undefined>
  writes: number
}

const textOf = ({ int }: Random) => `word${int(0, 999)} word${int(0, 999)} text ${int(0, 999_999)}`

const fieldsOf = (random: Random, { libraries, tags }: Shelf) => ({
  library_id: random.one(libraries),
  title: textOf(random),
  body: textOf(random),
  tag_ids: tags.filter(() => random.chance(0.25))
})

/** Whatever is answered: what came of it is asked of the database in the end. */
const change = async (call: Caller, random: Random, shelf: Shelf) => {
  const at = random.int(0, entities - 1)
  const id = shelf.blocks[at]
  shelf.writes += 1
  if (id === undefined) {
    const { body, status } = await call("POST", "/api/v1/blocks", { json: fieldsOf(random, shelf) })
    if (status === 201) shelf.blocks[at] = body.id
  } else if (random.chance(0.15)) {
    const { status } = await call("DELETE", `/api/v1/blocks/${id}`)
    if (status === 204 || status === 404) shelf.blocks[at] = undefined
  } else if (random.chance(0.01)) {
    await call("PATCH", `/api/v1/tags/${random.one(shelf.tags)}`, { json: { name: `tag ${textOf(random)}` } })
  } else {
    const { title, ...others } = fieldsOf(random, shelf)
    await call("PATCH", `/api/v1/blocks/${id}`, { json: random.chance(0.5) ? { title } : others })
  }
}

const expected = `
  select id, 'block' as kind, version, version + reprojections as revision, title, body, library_id, tag_ids,
    (select name from libraries where libraries.id = library_id) as library,
    array(select tags.name from unnest(tag_ids) with ordinality as tag (id, at) join tags using (id) order by at)
      as tags
  from blocks
  union all select id, 'tag', version, version + reprojections, name, '', null, '{}', null, '{}' from tags
  union all select id, 'library', version, version + reprojections, name, '', null, '{}', null, '{}' from libraries`

const engineOf = (url: string) => async (method: string, path: string, body?: object) => {
  const said = body === undefined ? {} : { body: JSON.stringify(body) }
  const answer = await fetch(`${url}/${path}`, { method, headers: { "content-type": "application/json" }, ...said })
  return await answer.json() as any
}
type Ask = ReturnType<typeof engineOf>

const documentsIn = async (ask: Ask) => {
  await ask("POST", `${index}/_refresh`)
  const found: Array<any> = []
  for (;;) {
    const last = found.at(-1)?._id
    const { hits } = await ask("POST", `${index}/_search`, {
      size: 1_000,
      version: true,
      sort: [{ id: "asc" }],
      ...(last === undefined ? {} : { search_after: [last] })
    })
    if (hits.hits.length === 0) return found
    found.push(...hits.hits)
  }
}

/** What is wrong with the index, in words; nothing if it says what the database says. */
const differences = async (database: OwnDatabase, ask: Ask) => {
  const wanted = new Map((await database.query(expected)).map((row) => [row["id"] as string, row]))
  const removed = new Map((await database.query("select * from removed_entities")).map((row) => [row["id"], row]))
  const wrong: Array<string> = []
  for (const { _id, _source, _version } of await documentsIn(ask)) {
    const row = wanted.get(_id)
    wanted.delete(_id)
    const { body, deleted, kind, library, library_id, tag_ids, tags, title, version } = _source
    if (row === undefined) {
      const grave = removed.get(_id)
      if (!deleted) wrong.push(`${_id} is ${grave === undefined ? "orphaned" : "resurrected"} at ${version}`)
      else if (grave?.["version"] !== version) wrong.push(`${_id} is buried at ${version}, not ${grave?.["version"]}`)
      continue
    }
    const shown = {
      id: _id,
      kind,
      version,
      revision: String(_version),
      title,
      body,
      library_id,
      tag_ids,
      library,
      tags
    }
    const stored = { ...row, revision: String(row["revision"]) }
    if (deleted || JSON.stringify(shown) !== JSON.stringify(stored)) {
      wrong.push(`stale: ${JSON.stringify(shown)} and not ${JSON.stringify(stored)}`)
    }
  }
  return [...wrong, ...[...wanted.keys()].map((id) => `${id} is missing`)]
}

interface Chaos {
  readonly ask: Ask
  readonly engine: Awaited<ReturnType<typeof start<"elasticsearch">>>
  readonly proxy: Awaited<ReturnType<typeof engineProxy>>
  readonly env: Readonly<Record<string, string>>
  readonly programs: Array<Program>
  readonly endsAt: number
}

/** Faults last a while; the test waits for nothing in particular meanwhile. */
const passing = ({ endsAt }: Chaos, ms: number) =>
  new Promise((next) => setTimeout(next, Math.max(0, Math.min(ms, endsAt - Date.now()))))

const readOnly = async ({ ask }: Chaos, isReadOnly: boolean | null) => {
  for (const name of Object.keys(await ask("GET", `${index}*/_alias`))) {
    await ask("PUT", `${name}/_settings`, { "index.blocks.write": isReadOnly })
  }
}

const faults: Readonly<Record<string, (chaos: Chaos) => Promise<unknown>>> = {
  throttled: async (chaos) => {
    chaos.proxy.becomes({ throttled: 60 })
    await passing(chaos, 2_000)
  },
  "answers lost": async (chaos) => {
    chaos.proxy.becomes({ lost: 30 })
    await passing(chaos, 2_000)
  },
  "read-only": async (chaos) => {
    await readOnly(chaos, true)
    await passing(chaos, 2_000)
    await readOnly(chaos, null)
  },
  "engine killed": async ({ engine }) => {
    await engine.crash()
    await engine.again()
  },
  "worker killed": async ({ env, programs }) => {
    programs.at(-1)!.process.kill("SIGKILL")
    programs.push(startProgram("worker", env))
  },
  rebuilt: async ({ env }) => {
    const reindex = startProgram("wordloom", env, ["reindex", "--json"])
    await reindex.ended
    assert.strictEqual(reindex.process.exitCode, 0, `${reindex.output()}${reindex.errors()}`)
  }
}

/**
 * One fault after the other, in turns, with a breath between them; answers how often each happened. A fault that never
 * happened proves nothing: where the machine is slow it goes on until each has.
 */
const disturb = async (chaos: Chaos, random: Random) => {
  const happened: Record<string, number> = {}
  const names = Object.keys(faults)
  const isOver = () => Date.now() >= chaos.endsAt && (!isWhole || names.every((name) => happened[name] !== undefined))
  for (let turn = random.int(0, names.length - 1); !isOver(); turn++) {
    const name = names[turn % names.length]!
    await faults[name]!(chaos)
    happened[name] = (happened[name] ?? 0) + 1
    chaos.proxy.becomes({})
    await passing(chaos, 500)
  }
  return happened
}

/** A breaker may rest for a minute before it looks again, and there are several. */
const breakersMs = 180_000

const quiet = (database: OwnDatabase) =>
  until("the outboxes to be empty", async () => {
    const [open] = await database.query(`select (select count(*) from outbox_search)::int as rows,
      (select count(*) from fan_outs)::int as fan_outs`)
    return open!["rows"] === 0 && open!["fan_outs"] === 0
  }, breakersMs)

const chaos = async (random: Random) => {
  const engine = await start("elasticsearch")
  const proxy = await engineProxy(engine.url, () => random.int(0, 99))
  const database = await ownDatabase()
  const env = {
    ...programsEnv(database),
    ELASTIC_URL: proxy.url,
    ELASTIC_INDEX: index,
    OUTBOX_LEASE: "3s",
    OUTBOX_BATCH_SIZE: "50",
    OUTBOX_BACKOFF_CAP: "2s"
  }
  const programs = [startProgram("api", env), startProgram("worker", env), startProgram("worker", env)]
  try {
    const call = callerOf(await listening(programs[0]!))
    const ask = engineOf(engine.url)
    const shelf: Shelf = {
      libraries: [(await newLibrary(call))["id"], (await newLibrary(call))["id"]],
      tags: await Promise.all(Array.from({ length: 5 }, async () => (await newTag(call))["id"])),
      blocks: [],
      writes: 0
    }
    const endsAt = Date.now() + lastsMs
    const calm = new AbortController()
    const disturbed = disturb({ ask, engine, proxy, env, programs, endsAt }, random).finally(() => calm.abort())
    const writing = Array.from({ length: clients }, async () => {
      while (!calm.signal.aborted) await change(call, random, shelf)
    })
    const [happened] = await Promise.all([disturbed, ...writing])
    await quiet(database)
    const [dead] = await database.query("select count(*)::int as rows from outbox_dead")
    assert.strictEqual(dead!["rows"], 0, "nothing is buried for an outage")
    assert.deepStrictEqual(await differences(database, ask), [])
    console.warn(`${shelf.writes} writes; ${JSON.stringify({ ...happened, requests: proxy.done })}`)
  } finally {
    await Promise.all(programs.map((program) => program.stop()))
    await proxy.stop()
    await engine.stop()
    await database.drop()
  }
}

describe("search while its engine fails", () => {
  it.runIf(lacking === undefined)(
    "says in the end what the database says, of every entity",
    () => withSeed(chaos),
    300_000
  )
})
