/** The console's own routes: what it watches, what it may change, and how its files are sent. */
import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { get } from "node:http"
import { until } from "../support/Programs.ts"
import { apiForAll, isProblem, logLines, newTag } from "../support/RunningApi.ts"

describe("the console's routes", () => {
  const running = apiForAll({ worker: true, env: { WORDLOOM_TRACING: "local" } })
  const { call } = running

  /** What is sent until it is left, and whether it ended by itself. */
  const watch = () => {
    const state = { text: "", status: 0, type: "", ended: false }
    const asked = get(`${running.base}/api/v1/outbox/live`, { agent: false }, (response) => {
      state.status = response.statusCode!
      state.type = response.headers["content-type"]!
      response.setEncoding("utf8").on("data", (text: string) => state.text += text).on("end", () => state.ended = true)
        .on("error", () => {})
    })
    asked.on("error", () => {})
    return { state, leave: () => asked.destroy() }
  }
  const eventsIn = (text: string) =>
    text.split("\n\n").slice(0, -1).map((event) => {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(event)!
      return { name, data: JSON.parse(data!) as Record<string, any> }
    })

  it("shows the outboxes and the workers at a glance", async () => {
    await newTag(call)
    const { body, status } = await call("GET", "/api/v1/outbox/overview")
    assert.strictEqual(status, 200)
    assert.hasAllKeys(body, ["at", "count_max", "projections", "workers"])
    assert.strictEqual(body.count_max, 10_000)
    const [worker] = body.workers
    assert.deepInclude(worker, { alive: true, projections: ["search", "chronicle"] })
    const search = body.projections.find((one: any) => one.projection === "search")
    assert.includeMembers(Object.keys(search), ["pending", "finished_per_second", "paused", "breakers", "lag_seconds"])
  })

  it("tells of a change as it happens, and asks nothing once nobody watches", async () => {
    const { leave, state } = watch()
    const first = await until("the first event", () => eventsIn(state.text)[0])
    assert.strictEqual(state.status, 200)
    assert.match(state.type, /^text\/event-stream/)
    assert.strictEqual(first.name, "overview")
    const doneIn = (overview: Record<string, any>) => overview["projections"][0].done as number
    await newTag(call)
    await until("the change", () => eventsIn(state.text).some(({ data }) => doneIn(data) > doneIn(first.data)))
    leave()
    const looks = async () => {
      const rows = await running.database.query(
        `select count(*)::int as count from pg_stat_activity where application_name = 'wordloom-api'
          and query like '%sessions as materialized%' and state_change > clock_timestamp() - interval '1500 ms'`
      )
      return rows[0]!["count"] as number
    }
    await until("the looks to end", async () => await looks() === 0)
  })

  it("lets a hundred watch, and asks the next to come again", async () => {
    const all = Array.from({ length: 100 }, watch)
    await until("all to watch", () => all.every(({ state }) => state.text !== ""))
    const answer = await call("GET", "/api/v1/outbox/live")
    isProblem(answer, 503)
    assert.isString(answer.headers["retry-after"])
    for (const { leave } of all) leave()
    await until("a place", async () => {
      const { leave, state } = watch()
      await until("an answer", () => state.status !== 0)
      leave()
      return state.status === 200
    })
  })

  it("groups dead letters", async () => {
    const { body, status } = await call("GET", "/api/v1/outbox/dead-letters")
    assert.strictEqual(status, 200)
    assert.deepStrictEqual(body, { groups: [], sample: 10_000 })
  })

  describe("a page of another site", () => {
    const foreign = [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site", origin: "http://127.0.0.1:1" },
      { origin: "https://elsewhere.example" },
      { origin: "null" }
    ]
    const own = () => [
      {},
      { "sec-fetch-site": "same-origin", origin: running.base },
      { "sec-fetch-site": "none" },
      { origin: running.base }
    ]

    it("can make a browser change nothing", async () => {
      const tag = await newTag(call)
      const ways = [
        ["POST", "/api/v1/outbox/search/resume"],
        ["POST", "/api/v1/outbox/search/pause"],
        ["POST", "/api/v1/outbox/events/search/1/replay"],
        ["POST", "/api/v1/outbox/replay"],
        ["POST", "/api/v1/tags"],
        ["PATCH", `/api/v1/tags/${tag["id"]}`],
        ["DELETE", `/api/v1/tags/${tag["id"]}`]
      ] as const
      for (const [method, path] of ways) {
        for (const headers of foreign) isProblem(await call(method, path, { headers }), 403)
      }
      assert.strictEqual((await call("GET", `/api/v1/tags/${tag["id"]}`)).status, 200)
      const { body } = await call("GET", "/api/v1/outbox/overview")
      assert.isFalse(body.projections[0].paused)
    })

    it("is told apart from this one, and from what is no browser", async () => {
      for (const headers of own()) {
        assert.strictEqual((await call("POST", "/api/v1/outbox/search/resume", { headers })).status, 200)
      }
      for (const headers of foreign) assert.strictEqual((await call("GET", "/api/v1/tags", { headers })).status, 200)
    })
  })

  describe("its files", () => {
    const filesOf = async () => {
      const seen = new Map<string, number>()
      const visit = async (path: string): Promise<void> => {
        if (seen.has(path)) return
        const { headers, status, text } = await call("GET", path)
        assert.strictEqual(status, 200, path)
        seen.set(path, Buffer.byteLength(text))
        assert.strictEqual(headers["x-content-type-options"], "nosniff", path)
        const links = [...text.matchAll(/(?:src|href)="(\/console\/[^"]+)"/g)].map(([, link]) => link!)
        for (const link of path === "/" ? links : []) await visit(link)
      }
      await visit("/")
      return seen
    }

    it("are a page, a script and an icon, less than 150 KB together", async () => {
      const files = await filesOf()
      const paths = [...files.keys()].map((path) => path.split("?")[0])
      assert.sameMembers(paths, ["/", "/console/console.js", "/console/icon.svg"])
      assert.isBelow([...files.values()].reduce((sum, size) => sum + size, 0), 150_000)
    })

    it("are sent again only when they have changed", async () => {
      for (const path of ["/explain", "/outbox", "/console/console.js"]) {
        const { headers } = await call("GET", path)
        const etag = headers.etag!
        assert.match(etag, /^"[\w-]{22}"$/)
        const again = await call("GET", path, { headers: { "if-none-match": `"other", ${etag}` } })
        assert.deepInclude({ status: again.status, text: again.text }, { status: 304, text: "" })
        assert.strictEqual((await call("GET", path, { headers: { "if-none-match": "\"other\"" } })).status, 200)
      }
    })

    it("are kept where they are asked for by what they are", async () => {
      const [link] = /\/console\/console\.js\?[\w-]{22}/.exec((await call("GET", "/outbox")).text)!
      const caching = async (path: string) => (await call("GET", path)).headers["cache-control"]
      assert.strictEqual(await caching(link), "public, max-age=31536000, immutable")
      assert.strictEqual(await caching(`${link}x`), "no-cache")
      assert.strictEqual(await caching("/console/console.js"), "no-cache")
    })

    it("may load nothing from elsewhere, and run nothing in the page but what it always begins with", async () => {
      const digest = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`
      for (const path of ["/", "/dead", "/explain"]) {
        const { headers, text } = await call("GET", path)
        const policy = headers["content-security-policy"] as string
        const [, script] = /<script>(.*?)<\/script>/s.exec(text)!
        const [, style] = /<style>(.*?)<\/style>/s.exec(text)!
        assert.include(policy, "default-src 'none'")
        assert.include(policy, `script-src 'self' ${digest(script!)};`)
        assert.include(policy, `style-src ${digest(style!)};`)
        assert.notInclude(policy, "unsafe")
        const rest = text.replace(`<script>${script}</script>`, "").replace(`<style>${style}</style>`, "")
        assert.notMatch(rest, /<script(?![^>]*\bsrc="\/console\/)|<style|\son\w+=|\bstyle=|https?:/i)
      }
    })

    it("bring the overview's first figures with its page, as text that nothing runs", async () => {
      await call("POST", "/api/v1/outbox/chronicle/pause", { json: { reason: "<img src=x onerror=alert(1)> & more" } })
      const { headers, text } = await call("GET", "/")
      await call("POST", "/api/v1/outbox/chronicle/resume")
      assert.strictEqual(headers["cache-control"], "no-store")
      assert.include(text, "Chronicle is paused, nothing waits.")
      const escaped = "&#60;img src=x onerror=alert(1)&#62; &#38; more"
      assert.include(text, escaped)
      assert.strictEqual(text.match(/<img src=x/), null)
      assert.isBelow(text.indexOf("<main"), text.indexOf(escaped))
      assert.isBelow(text.indexOf(escaped), text.indexOf("</main>"))
    })

    it("are no lines in the log", () => {
      assert.isFalse(logLines(running.api).some(({ message }) => String(message).includes("/console/")))
    })
  })

  it("lets those who watch go when the program stops", async () => {
    const { state } = watch()
    await until("the first event", () => state.text !== "")
    const stopped = running.api.stop()
    await until("the end", () => state.ended)
    assert.strictEqual(await stopped, 0)
  })
})
