/** What could not be delivered, by its reason; and once more, one row or all of a reason. */
import { html, nothing } from "lit-html"
import { get, post } from "../api.js"
import { confirmed, say } from "../around.js"
import { count, plural } from "../format.js"
import { latest } from "../latest.js"
import { empty, explained, loaded, table, when } from "../ui.js"
/** @import { Begin, DeadGroup, OutboxEvent, Page } from "../Answers.ts" */

const lookEvery = 5_000

/** @param {{ readonly projection: string, readonly error_type: string | null }} group */
const keyOf = ({ error_type, projection }) => `${projection}-${error_type ?? "none"}`

/** @param {DeadGroup} group */
const reasonOf = ({ error_type }) => error_type ?? "no reason recorded"

/**
 * @param {ReadonlyArray<OutboxEvent>} rows
 */
const replayEach = async (rows) => {
  let done = 0
  for (const { id, projection } of rows) {
    const { body } = await post(`/api/v1/outbox/events/${projection}/${id}/replay`)
    done += body.replayed
  }
  return done
}

/** @param {() => Promise<number>} act @param {() => void} after */
const replaying = async (act, after) => {
  try {
    say(`${plural(await act(), "row")} replayed: tried again from the start.`)
  } catch (error) {
    say(/** @type {Error} */ (error).message, "bad")
  }
  after()
}

/**
 * The rows of one reason, with those that are chosen.
 *
 * @param {DeadGroup} group
 * @param {() => void} redraw
 * @param {() => void} changed
 */
const rowsOf = (group, redraw, changed) => {
  /** @type {ReturnType<typeof latest<Page<OutboxEvent>>>} */
  const { run, state, stop } = latest(redraw)
  /** @type {Set<number>} */
  const chosen = new Set()
  const asked = { projection: group.projection, status: "dead", error_type: group.error_type, limit: "50" }
  void run((signal) => get("/api/v1/outbox/events", asked, signal))

  /** @param {number} id */
  const choose = (id) => {
    if (!chosen.delete(id)) chosen.add(id)
    redraw()
  }
  /** @param {OutboxEvent} row */
  const shown = (row) =>
    html`<tr>
      <td><input type="checkbox" aria-label="Choose ${row.projection}/${row.id}" .checked=${
      chosen.has(row.id)
    } @change=${() => choose(row.id)}></td>
      <td class="nowrap"><a href="/explain?event=${row.projection}/${row.id}">${row.projection}/${row.id}</a></td>
      <td class="nowrap">${
      explained(row.entity_type, row.entity_id)
    } <span class="muted">v${row.entity_version}</span></td>
      <td class="number">${row.attempts}</td>
      <td class="nowrap">${when(row.processed_at)}</td>
      <td class="wide">${row.error_detail}</td>
      <td><button type="button" class="plain small" @click=${() =>
      replaying(() => replayEach([row]), changed)}>Replay<span
        class="unseen"> ${row.projection}/${row.id}</span></button></td></tr>`

  const view = () =>
    loaded(state, () => {
      const items = state.value?.items ?? []
      const rows = items.filter(({ id }) => chosen.has(id))
      return html`${
        table(`Dead letters: ${reasonOf(group)}`, [
          ["Chosen"],
          ["Row"],
          ["Change"],
          ["Attempts", "number"],
          ["Buried"],
          ["Why"],
          ["Again"]
        ], items.map(shown))
      }<p class="row start">
        <button type="button" ?disabled=${rows.length === 0} @click=${() =>
        replaying(() => replayEach(rows), changed)}>Replay ${
        rows.length === 0 ? "what is chosen" : plural(rows.length, "chosen row")
      }</button>
        ${
        (state.value?.next_cursor ?? null) === null
          ? nothing
          : html`<span class="muted">The newest 50 are shown.</span>`
      }</p>`
    })
  return { view, stop }
}

/** @type {Begin} */
export const begin = (_params, redraw) => {
  /** @type {ReturnType<typeof latest<{ readonly groups: ReadonlyArray<DeadGroup>, readonly sample: number }>>} */
  const { run, state, stop } = latest(redraw)
  /** @type {Map<string, ReturnType<typeof rowsOf>>} */
  const open = new Map()
  const close = () => {
    for (const rows of open.values()) rows.stop()
    open.clear()
  }
  const look = () => run((signal) => get("/api/v1/outbox/dead-letters", {}, signal))
  // What was replayed before its cause was mended dies again, some moments later.
  const looking = setInterval(() => {
    if (!document.hidden && !state.loading) void look()
  }, lookEvery)
  const changed = () => {
    close()
    void look()
  }
  void look()

  /** @param {DeadGroup} group */
  const turn = (group) => {
    const key = keyOf(group)
    const rows = open.get(key)
    if (rows === undefined) open.set(key, rowsOf(group, redraw, changed))
    else {
      rows.stop()
      open.delete(key)
    }
    redraw()
  }

  /** @param {DeadGroup} group */
  const replayAll = async (group) => {
    const { error_type, projection } = group
    const text = `Every dead letter of ${projection} with ${error_type} becomes due again, and is tried from the start.`
    if (error_type === null || !await confirmed(`Replay ${error_type} of ${projection}?`, text, "Replay all")) return
    await replaying(
      async () => (await post("/api/v1/outbox/replay", { projection, status: "dead", error_type })).body.replayed,
      changed
    )
  }

  /** @param {DeadGroup} group @param {number} sample */
  const groupOf = (group, sample) => {
    const key = keyOf(group)
    const rows = open.get(key)
    return html`<section class="card group" aria-labelledby="of-${key}">
      <div class="row"><h2 id="of-${key}"><span class="muted">${group.projection}</span> <code>${
      reasonOf(group)
    }</code></h2>
        <span class="big"><span class="number bad">${count(group.count, sample)}</span></span></div>
      <p class="wide">${group.newest_detail ?? nothing}</p>
      <p class="muted">The newest was buried ${when(group.newest_at)}, the oldest ${when(group.oldest_at)}.</p>
      <p class="row start">
        ${
      group.error_type === null
        ? nothing
        : html`<button type="button" @click=${() => replayAll(group)}>Replay all</button>`
    }
        <button type="button" class="plain" aria-expanded=${rows !== undefined} @click=${() => turn(group)}>${
      rows === undefined ? "Show rows" : "Hide rows"
    }</button></p>
      ${rows?.view() ?? nothing}</section>`
  }

  const view = () =>
    loaded(state, () => {
      const { groups, sample } = state.value ?? { groups: [], sample: 0 }
      return groups.length === 0
        ? empty(
          "No dead letters.",
          "What a destination refuses for good, or fails too often, is kept here until somebody replays it."
        )
        : html`<p class="muted">What is refused for good, or failed too often. Mend the cause, then replay.</p>
          ${groups.map((group) => groupOf(group, sample))}`
    })
  return {
    title: "Dead letters",
    view,
    stop: () => {
      clearInterval(looking)
      stop()
      close()
    }
  }
}
