#!/usr/bin/env node
/**
 * The lab: four stories of "I changed it, but search shows the old one", acted out on real servers, each ending in what
 * `wordloom explain` says of it and in what Jaeger shows.
 *
 *     npm run lab                      all of them, about two minutes
 *     npm run lab -- --story retry     one: search, gap, engine, retry
 */
import { parseArgs } from "node:util"
import { stopAll } from "../servers.js"
import { stories } from "./lab-stories.js"
import { messageOf } from "./patience.js"
import { perform } from "./perform.js"
import { elapsed, heading, paint, step, verdict } from "./screen.js"
import { clearStage, setStage } from "./stage.js"

/** @import { Check, StoryName } from "./lab-stories.js" */

const names = /** @type {StoryName[]} */ (Object.keys(stories))

const chosen = () => {
  try {
    const { values } = parseArgs({ options: { story: { type: "string", multiple: true } } })
    const asked = values.story ?? names
    const unknown = asked.find((name) => !Object.hasOwn(stories, name))
    if (unknown === undefined) return /** @type {StoryName[]} */ (asked)
    throw new Error(`there is no story ${unknown}`)
  } catch (error) {
    console.error(`${messageOf(error)}\nusage: npm run lab [-- --story ${names.join("|")}]`)
    process.exit(2)
  }
}

/** Short, so that nobody waits long; the proportions are those of a real installation. */
const settings = {
  OUTBOX_LEASE: "4s",
  OUTBOX_BACKOFF_BASE: "250ms",
  OUTBOX_BACKOFF_CAP: "500ms",
  OUTBOX_BATCH_SIZE: "1",
  OUTBOX_CONCURRENCY: "1"
}

const play = async () => {
  const asked = chosen()
  step("lab", "starts PostgreSQL, Elasticsearch, Jaeger and the API")
  const stage = await setStage(settings)
  /** @type {Check[]} */
  const checks = []
  for (const name of asked) {
    heading(`${name}: ${stories[name].title}`)
    const found = await stories[name].play(stage)
    for (const check of found) verdict(check.passed, check.what, check.found)
    checks.push(...found)
  }
  const failed = checks.filter(({ passed }) => !passed).length
  const sum = failed === 0
    ? paint("green", `PASS  all ${checks.length} checks`)
    : paint("red", `FAIL  ${failed} of ${checks.length} checks`)
  console.log(`\n${sum}, ${elapsed().trim()}`)
  return failed === 0
}

await perform(play, async () => {
  await clearStage()
  await stopAll()
})
