/** Facts → verdict: each of the closed list, what comes before what, and that it is always one of them. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { answersOf } from "../../src/explain/Answers.ts"
import { Verdict } from "../../src/explain/Explanation.ts"
import { inPlace, judge } from "../../src/explain/Judge.ts"
import { say } from "../../src/explain/Sentences.ts"
import { Projection } from "../../src/outbox/Projection.ts"
import { ago, attemptOf, claimOf, done, entry, failed, type Given, given, id, now, shown } from "./Cases.ts"

const open = (worker: string) =>
  ({ worker, state: "open", errorType: "es_503", detail: "no shards", retryAt: now }) as const

const earlier = { id: 11, version: 1, dueAt: now + 1_000_000 }
const backsOff = { state: "waiting", attempts: 1, dueAt: now + 60_000_000, errorType: "es_503" } as const
const paused = { pausedAt: ago(5_000), pausedReason: "a new index" }
const expired = { changedAt: ago(90_000_000) }

const claims = [null, claimOf(100, 30_000), claimOf(31_000, -1)]
const entries = [undefined, entry(1), entry(2), entry(3), entry(2, { deleted: true })]
const systems: ReadonlyArray<NonNullable<Given["system"]>> = [{}, paused, { workers: [] }, { breakers: [open("w1")] }]
const one = (of: ReadonlyArray<unknown>) => Schema.Literals(of.map((_, at) => at))

const any = Schema.Struct({
  projection: Projection,
  version: Schema.Literals([1, 2]),
  recorded: Schema.Boolean,
  row: Schema.NullOr(Schema.Struct({
    state: Schema.Literals(["fresh", "waiting", "alone", "done", "dead"]),
    reclaimed: Schema.Boolean,
    lane: one(claims)
  })),
  claim: one(claims),
  away: Schema.Boolean,
  system: one(systems),
  index: Schema.Struct({ stored: one(entries), searched: one(entries) })
})

type Line = readonly [verdict: Verdict, when: string, given: Given]

const table: ReadonlyArray<Line> = [
  ["waiting", "nobody has tried it", {}],
  ["waiting", "it is due again", { row: { ...backsOff, dueAt: ago(1) } }],
  ["waiting", "another batch has had its lane for a moment", { row: { laneClaim: claimOf(100, 30_000) } }],
  ["blocked", "another batch has had its lane for long", { row: { laneClaim: claimOf(5_001, 30_000) } }],
  ["blocked", "whoever has its lane has lost the lease", { row: { laneClaim: claimOf(100, -1) } }],
  ["blocked", "an earlier row of its entity waits", { projection: "chronicle", details: { earlier } }],
  ["paused", "its projection is paused", { system: paused }],
  ["breaker_open", "every worker's breaker is open", { system: { breakers: [open("w1")] } }],
  ["waiting", "one of two workers has a closed breaker", {
    system: { breakers: [open("w1")], workers: ["w1", "w2"].map((id) => ({ id, startedAt: 0 })) }
  }],
  ["waiting", "no worker runs", { system: { workers: [] } }],
  ["backing_off", "it failed and is not due", { row: backsOff }],
  ["leased", "a worker has it", { row: { claim: claimOf(100, 30_000) } }],
  ["lease_lost", "its worker let the lease end", { row: { claim: claimOf(31_000, -1) } }],
  ["lease_lost", "it was found lost and nobody has it yet", {
    row: { state: "waiting", reclaimed: true, attempts: 1 }
  }],
  ["dead", "it was given up", { row: { state: "dead", attempts: 10, errorType: "es_mapping" } }],
  ["never_enqueued", "the database has it and no row tells of it", { row: undefined }],
  ["never_enqueued", "nor does the chronicle's", { projection: "chronicle", row: undefined }],
  ["searchable", "searches find it", { row: done(1_000, 500), index: shown }],
  ["searchable", "its row is long gone", { row: undefined, entity: expired, index: shown }],
  ["searchable", "a reindex was faster than its row", { index: shown }],
  ["searchable", "searches no longer find what was removed", {
    row: done(1_000, 500),
    entity: { removed: true },
    index: { stored: entry(1, { deleted: true }) }
  }],
  ["not_refreshed", "searches do not show it yet", { row: done(1_000, 500), index: { stored: entry(1) } }],
  ["not_refreshed", "searches show the version before", {
    version: 2,
    row: done(1_000, 500),
    index: { stored: entry(2), searched: entry(1) }
  }],
  ["not_refreshed", "searches still show what was removed", {
    version: 2,
    row: done(1_000, 500),
    entity: { removed: true },
    index: { stored: entry(2, { deleted: true }), searched: entry(1) }
  }],
  ["searchable", "a later version is in its place", {
    row: done(1_000, 500),
    entity: { version: 3, revision: 3 },
    index: { stored: entry(2), searched: entry(2) }
  }],
  ["index_ahead", "the index has a later version than the database", {
    row: done(1_000, 500),
    index: { stored: entry(9), searched: entry(9) }
  }],
  ["drift", "it was told and the index has nothing of it", { row: done(1_000, 500) }],
  ["drift", "the same version says something else", {
    row: done(1_000, 500),
    index: { stored: entry(1, { digest: 7 }), searched: entry(1, { digest: 7 }) }
  }],
  ["drift", "its row is long gone and the index has nothing of it", { row: undefined, entity: expired }],
  ["drift", "the chronicle was told and has no entry", { projection: "chronicle", row: done(1_000, 500) }],
  ["index_unknown", "the engine does not answer", { row: done(1_000, 500), away: "refused" }],
  ["index_unknown", "nor is its row there any more", { row: undefined, entity: expired, away: "refused" }],
  ["waiting", "the engine does not answer, and it was not told yet", { away: "refused" }],
  ["recorded", "the chronicle has its entry", { projection: "chronicle", recorded: true, row: done(1_000, 500) }],
  ["recorded", "whoever listens was told", { projection: "realtime", row: done(1_000, 500) }]
]

describe("the verdict", () => {
  for (const [verdict, when, facts] of table) {
    it(`is ${verdict} when ${when}`, () => {
      const judged = given(facts)
      assert.strictEqual(judge(judged), verdict)
      const { sentence } = say(verdict as Exclude<Verdict, "not_found">, judged)
      assert.match(sentence, /^\S.*\.$/s)
      assert.notMatch(sentence, /undefined|NaN|null/)
    })
  }

  it("is fan_out while a block waits for the new name of its tag", () => {
    const facts = given({ row: done(1_000, 500), entity: { fanOuts: 1 } })
    assert.strictEqual(judge({ ...facts, change: { ...facts.change, kind: "block" } }), "fan_out")
    assert.strictEqual(judge(facts), "drift")
  })

  const sentences: ReadonlyArray<readonly [when: string, given: Given, said: RegExp]> = [
    ["failed before", {
      row: { ...backsOff, attempts: 2, errorType: "timeout", detail: "no answer in 10s", dueAt: ago(1) }
    }, /; 2 attempts failed, the last with timeout: no answer in 10s; 1 worker at work\.$/],
    ["was refused while a breaker tried it", {
      row: { ...backsOff, attempts: 0, errorType: "es_503", detail: "no shards" }
    }, /: it was tried and refused, which costs it no attempt: es_503: no shards\.$/],
    [
      "is shown, and its worker has not settled it",
      { row: { claim: claimOf(100, 30_000) }, index: shown },
      /although its outbox row is still with worker w1\.$/
    ],
    ["is shown before its turn", { index: shown }, /although its outbox row is still pending\.$/],
    [
      "is of no entity",
      { entity: undefined, row: undefined, index: { stored: entry(1), searched: entry(1) } },
      /: the database has no such tag, but the index \(elasticsearch\) still has v1\.$/
    ],
    ["is leased again after a replay", {
      row: { claim: claimOf(2_900, 30_000) },
      details: { attempts: [attemptOf(90_000, 80_000, { attempt: 7, outcome: "dead_lettered" })] }
    }, /is leased by worker w1 since \S+Z \(2\.9 s ago, attempt 1\), until /],
    [
      "is with a worker whose lease ended",
      { row: { claim: claimOf(31_000, -5_500) } },
      /the lease of worker w1 ended 5\.5 s ago and nobody has settled it/
    ]
  ]
  for (const [when, facts, said] of sentences) {
    it(`is said of a change that ${when} in words that are true`, () => {
      const judged = given(facts)
      assert.match(say(judge(judged) as Exclude<Verdict, "not_found">, judged).sentence, said)
    })
  }

  const untold: ReadonlyArray<Line> = [
    ["leased", "paused", { row: { claim: claimOf(100, 30_000) }, system: paused }],
    ["paused", "breaker", { system: { ...paused, breakers: [open("w1")] } }],
    ["breaker_open", "back-off", { row: backsOff, system: { breakers: [open("w1")] } }],
    ["blocked", "back-off", { projection: "chronicle", row: backsOff, details: { earlier } }],
    ["backing_off", "reclaimed", { row: { ...backsOff, reclaimed: true } }]
  ]
  for (const [verdict, before, facts] of untold) {
    it(`is rather ${verdict} than what "${before}" would make of it`, () => {
      assert.strictEqual(judge(given(facts)), verdict)
    })
  }

  const waits = (asked: NonNullable<Given["asked"]>) => say("waiting", given({ asked })).steps.at(-1)!.command
  it("asks the same question when it says to look again", () => {
    assert.deepStrictEqual([
      waits({ by: "tag", id }),
      waits({ by: "event", projection: "search", id: 12 }),
      waits({ by: "request_id", value: "r-1" }),
      waits({ by: "trace_id", value: "f".repeat(32) })
    ], [
      `node programs/wordloom.js explain tag/${id}`,
      "node programs/wordloom.js explain --event search/12",
      "node programs/wordloom.js explain --request-id r-1",
      `node programs/wordloom.js explain --trace-id ${"f".repeat(32)}`
    ])
  })

  it.prop(
    "is one of the list and consistent with what is said of the index, whatever the facts",
    { any },
    ({ any }) => {
      const { away, claim, index, row, system, ...rest } = any
      const judged = given({
        ...rest,
        row: row === null ? undefined : { ...row, claim: claims[claim]!, laneClaim: claims[row.lane]! },
        system: systems[system]!,
        index: { stored: entries[index.stored], searched: entries[index.searched] },
        ...(away ? { away: "refused" } : {})
      })
      const verdict = judge(judged)
      assert.include(Verdict.literals, verdict)
      assert.notStrictEqual(verdict, "not_found")
      if (verdict === "searchable") assert.strictEqual(judged.place, "shown")
      if (verdict === "not_refreshed") assert.strictEqual(judged.place, "hidden")
      if (verdict === "index_unknown") assert.isNull(inPlace(verdict))
      const looked = answersOf(judged).find(({ question }) => question === "index")!.answer
      if (rest.projection === "search") assert.strictEqual(looked === "unknown", away)
      if (verdict === "searchable") assert.strictEqual(looked, "yes")
    },
    { arbitrary: { runs: 500 } }
  )
})

describe("the five answers of S1-17", () => {
  it("call no backlog empty in which the change itself waits, and begin with no worker's name", () => {
    const [, , worker, , lag] = answersOf(given({ row: { claim: claimOf(2_900, 30_000) } }))
    assert.strictEqual(worker!.text, "worker w1 has had it for 2.9 s")
    assert.match(lag!.text, /^nothing else waits; /)
    const [, gone] = answersOf(given({ entity: undefined, row: undefined }))
    assert.strictEqual(gone!.text, "no row of it is left")
  })

  const ofAll = (facts: Given) => answersOf(given(facts)).map(({ answer }) => answer)
  const recent = { rows: 10, perSecond: 2, lagP50Ms: 20, lagP95Ms: 50, engineP50Ms: 5, engineP95Ms: 9 }
  const lines: ReadonlyArray<readonly [when: string, given: Given, answers: ReadonlyArray<string>]> = [
    ["all is well", { row: done(1_000, 500), index: shown }, ["yes", "yes", "yes", "yes", "yes"]],
    ["the database has no such entity", { entity: undefined, row: undefined }, [
      "no",
      "unknown",
      "unknown",
      "yes",
      "yes"
    ]],
    ["no row tells of it", { row: undefined }, ["yes", "no", "unknown", "no", "yes"]],
    ["nobody has handled it", {}, ["yes", "yes", "no", "no", "yes"]],
    ["a worker has it", { row: { claim: claimOf(100, 30_000) } }, ["yes", "yes", "no", "no", "yes"]],
    ["the index does not show it yet", { row: done(1_000, 500), index: { stored: entry(1) } }, [
      "yes",
      "yes",
      "yes",
      "no",
      "yes"
    ]],
    ["the engine is away", { row: done(1_000, 500), away: "refused" }, ["yes", "yes", "yes", "unknown", "yes"]],
    ["the outbox falls behind", { system: { oldestAgeMs: 60_000, recent } }, ["yes", "yes", "no", "no", "no"]],
    ["it is as far behind as it always was", {
      system: { oldestAgeMs: 60_000, recent: { ...recent, lagP95Ms: 30_000 } }
    }, [
      "yes",
      "yes",
      "no",
      "no",
      "yes"
    ]],
    ["a worker that is gone has it, and nobody else works", {
      row: { claim: claimOf(60_000, -30_000) },
      system: { workers: [] }
    }, ["yes", "yes", "no", "no", "no"]],
    ["nobody works", { system: { oldestAgeMs: 1, workers: [] } }, ["yes", "yes", "no", "no", "no"]]
  ]
  for (const [when, facts, answers] of lines) {
    it(`when ${when}`, () => assert.deepStrictEqual(ofAll(facts), answers))
  }

  it("are in this order, each with its evidence", () => {
    const facts = given({
      row: { state: "waiting", attempts: 1, errorType: "es_429", dueAt: now + 1_000_000 },
      details: { attempts: [attemptOf(900, 800, failed("es_429", -1_000))], ahead: 7 }
    })
    const [truth, outbox, worker, index, lag] = answersOf(facts)
    assert.deepInclude(truth, { question: "source_of_truth" })
    assert.deepInclude(truth!.evidence, { version: 1, removed: false })
    assert.deepInclude(outbox!.evidence, { row: "search/12", status: "pending" })
    assert.deepInclude(worker!.evidence, { attempts: 1, outcome: "retry_scheduled", error_type: "es_429" })
    assert.deepInclude(index!.evidence, { engine: "elasticsearch", expected_version: 1, stored_version: null })
    assert.deepInclude(lag!.evidence, { ahead: 7, ahead_is_more: false, workers: 1 })
  })
})
