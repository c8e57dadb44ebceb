/** Real traces are what the contract promises; whatever is broken in them is found, and named. */
import { assert, describe, it } from "@effect/vitest"
import type { Story } from "../../src/trace/Story.ts"
import { checkNames, hasPassed, verify } from "../../src/trace/Verify.ts"
import { damages, moved, second } from "./Damages.ts"
import { changed, is, recordings, storyOf } from "./Recorded.ts"

const failing = (story: Story) =>
  verify(story).flatMap(({ finding, name }) => finding._tag === "Failed" ? [{ name, problems: finding.problems }] : [])

const wrong = (story: Story) => failing(story).map(({ name }) => name)

describe("a trace", () => {
  it.for(recordings)("of a real write passes every check: %s", (name) => {
    assert.deepStrictEqual(failing(storyOf(name)), [])
    assert.deepStrictEqual(verify(storyOf(name)).map((check) => check.name), [...checkNames])
  })

  it("passes when a try costs its row no attempt, as while the destination refuses everything, and says so", () => {
    const story = changed(storyOf("retried"), (span) => {
      if (!is(span, "outbox.process", { projection: "search" })) return span
      const attempt = Number(span.attributes["attempt"])
      const marks = attempt === 1 ? { counted: false } : { attempt: attempt - 1 }
      return { ...span, attributes: { ...span.attributes, ...marks } }
    })
    assert.deepStrictEqual(failing(story), [])
  })

  it("has at least ten kinds of damage, and every check finds one", () => {
    assert.sameMembers([...new Set(damages.map(({ check }) => check))], [...checkNames])
  })

  it.for(damages.map((damage) => [damage.check, damage.what, damage] as const))("fails %s: %s", ([, , damage]) => {
    const found = failing(damage.story)
    const own = found.find(({ name }) => name === damage.check)
    assert.isDefined(own, `failed instead: ${found.map(({ name }) => name).join(", ")}`)
    assert.isTrue(own.problems.some((problem) => damage.names.test(problem)), own.problems.join("\n"))
  })

  it.for(recordings)("fails when any one of its spans is missing: %s", (name) => {
    const story = storyOf(name)
    const unnoticed = story.request!.spans.filter((span) =>
      hasPassed(verify(changed(story, (other) => other === span ? undefined : other)))
    )
    // What was only read, and the end of a back-off that nothing measures but itself, tell of no promise.
    const may = unnoticed.filter((span) => !is(span, "db.query") && !is(span, "outbox.wait", { reason: "backoff" }))
    assert.deepStrictEqual(may.map((span) => span.name), [])
  })

  it.for(recordings)("fails when any one of its spans hangs below another: %s", (name) => {
    const story = storyOf(name)
    for (const span of story.request!.spans) {
      for (const parent of story.request!.spans) {
        if (parent.spanId === span.parentId || parent === span) continue
        // A statement may stand below whatever asks for it.
        if (/^db\.query$/.test(span.name)) continue
        const bent = changed(story, (other) => other === span ? { ...other, parentId: parent.spanId } : other)
        assert.isNotEmpty(wrong(bent), `${span.name} below ${parent.name}`)
      }
    }
  })

  it.for(recordings)("fails when any one of its spans is a minute early or late: %s", (name) => {
    const story = storyOf(name)
    for (const span of story.request!.spans) {
      for (const by of [-60n * second, 60n * second]) {
        const bent = changed(story, (other) => other === span ? moved(other, by) : other)
        // What is over is told later: nothing follows a dead letter, and a back-off is as long as it is.
        if (by > 0n && ["outbox.dead_letter", "outbox.attempt_lost"].includes(span.name)) continue
        if (is(span, "outbox.wait", { reason: "backoff" }) && by > 0n) continue
        assert.isNotEmpty(wrong(bent), `${span.name} ${JSON.stringify(span.attributes["reason"])} moved by ${by}`)
      }
    }
  })
})
