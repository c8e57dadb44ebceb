/** What happened to a change: the answer in a sentence, the evidence, and where every millisecond went. */
import { html, nothing } from "lit-html"
import { get, withQuery } from "../api.js"
import { fieldsOf, go, say } from "../around.js"
import { drawn } from "../drawn.js"
import { explainable } from "../format.js"
import { latest } from "../latest.js"
import { empty, exactly, idOf, loaded } from "../ui.js"
/** @import { Begin, Change, Explanation } from "../Answers.ts" */

const kinds = ["block", "tag", "library", "event", "request_id", "trace_id"]
/** While it is under way, what is shown stays true by looking again. */
const lookEvery = 2_000

/** What goes on by itself is no alarm; the command line takes the same colours. */
const waits = new Set(["waiting", "leased", "backing_off", "not_refreshed", "fan_out"])

/** @param {boolean | null} inPlace @param {string} verdict */
const levelOf = (inPlace, verdict) => inPlace === true ? "ok" : inPlace === null || waits.has(verdict) ? "warn" : "bad"

/** @param {string} text */
const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text)
    say("Copied.")
  } catch {
    say("This browser lets nothing be copied from here: select the text instead.", "bad")
  }
}

/** @param {Pick<Change, "steps">} judged */
const stepsOf = ({ steps }) =>
  steps.length === 0 ?
    nothing :
    html`<ul class="steps">${
      steps.map(({ command, text }) =>
        html`<li>${text}${
          command === null ?
            nothing :
            html`<div class="command"><code>${command}</code><button type="button" class="plain small"
          @click=${() => copy(command)}>Copy<span class="unseen"> ${command}</span></button></div>`
        }</li>`
      )
    }</ul>`

/** @param {Pick<Change, "verdict" | "sentence" | "in_place" | "steps">} judged */
const judgement = (judged) =>
  html`<div class="said-of ${levelOf(judged.in_place, judged.verdict)}"><p class="sentence">${judged.sentence}</p>
    <p class="muted">${judged.verdict.replaceAll("_", " ")}</p>${stepsOf(judged)}</div>`

/** @type {Readonly<Record<string, readonly [sign: string, level: string]>>} */
const signs = { yes: ["✓", "ok"], no: ["✗", "bad"], unknown: ["?", "warn"] }

/** @param {Change["answers"][number]} answer */
const answerOf = ({ answer, evidence, text }) => {
  const [sign = "", level = ""] = signs[answer] ?? []
  return html`<li class="answer"><span class="sign ${level}" role="img" aria-label=${answer}>${sign}</span>
    <div>${text}<dl class="evidence">${
    Object.entries(evidence).filter(([, value]) => value !== null || answer === "unknown").map(([name, value]) =>
      html`<div><dt>${name.replaceAll("_", " ")}</dt><dd>${value === null ? "unknown" : String(value)}</dd></div>`
    )
  }</dl></div></li>`
}

/** @param {Change} change @param {boolean} isOnly then its judgement is said above already */
const changeOf = (change, isOnly) => {
  const { entity, request_id, trace_id, trace_url } = change
  const now = entity.current_version === null || entity.current_version === entity.version
    ? ""
    : `, now ${entity.current_version}`
  return html`<article class="card change">
    <div><h2>${entity.kind} ${entity.title === null ? idOf(entity.id) : html`“<bdi>${entity.title}</bdi>”`}</h2>
      <p class="muted">version ${entity.version}${now}${entity.removed ? ", removed" : ""}${
    entity.changed_at === null ? nothing : html` · ${exactly(entity.changed_at)}`
  } · <code>${entity.id}</code></p></div>
    ${isOnly ? nothing : judgement(change)}
    <div class="tools">
      ${trace_url === null ? nothing : html`<a class="button" href=${trace_url} rel="noreferrer">Open the trace</a>`}
      <a class="button plain" href="/outbox?entity_id=${entity.id}">Outbox rows</a>
      <a class="button plain" href="/chronicle?entity_type=${entity.kind}&entity_id=${entity.id}">History</a>
    </div>
    <section aria-label="Five questions"><ol>${change.answers.map(answerOf)}</ol></section>
    ${
    trace_id === null
      ? html`<p class="notice missing"><strong>No trace.</strong> Tracing was off when this was written; what follows is
        from the database.</p>`
      : html`<p class="muted">trace <code>${trace_id}</code>
        ${request_id === null ? nothing : html` · request <code>${request_id}</code>`}</p>`
  }
    ${change.deliveries.map(drawn)}</article>`
}

/** @param {Explanation} told */
const toldOf = (told) => {
  const text = JSON.stringify(told, undefined, 2)
  return html`${judgement(told)}
    ${
    told.engine.reachable
      ? nothing
      : html`<p class="notice warn">${told.engine.name} does not answer${
        told.engine.detail === null ? "" : `: ${told.engine.detail}`
      }. What only it knows is left open.</p>`
  }
    ${told.changes.map((change) => changeOf(change, told.changes.length === 1))}
    ${told.more ? html`<p class="muted">There are more changes than are shown.</p>` : nothing}
    <div class="tools">
      <button type="button" class="plain" @click=${() => copy(location.href)}>Copy link</button>
      <button type="button" class="plain" @click=${() => copy(text)}>Copy as JSON</button></div>
    <details class="json"><summary>JSON</summary><pre tabindex="0">${text}</pre></details>`
}

/**
 * An id alone does not say of what it is: the outbox knows its entity, and otherwise it is a request's.
 *
 * @param {string} id
 * @param {AbortSignal} signal
 */
const resolved = async (id, signal) => {
  const { items } = await get("/api/v1/outbox/events", { entity_id: id, limit: "1" }, signal)
  return items.length === 0 ? { request_id: id } : { [items[0].entity_type]: id }
}

/** @type {Begin} */
export const begin = (params, redraw) => {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  /** @type {ReturnType<typeof latest<Explanation>>} */
  const { run, state, stop } = latest(() => {
    redraw()
    const isUnderWay = state.value?.in_place === false && state.value.verdict !== "not_found"
    clearTimeout(timer)
    if (!state.loading && isUnderWay) timer = setTimeout(() => document.hidden ? redraw() : look(), lookEvery)
  })
  const kind = kinds.find((one) => params.has(one))
  const id = params.get("id")
  /** @type {Record<string, string>} */
  let asked = kind === undefined ? {} : { [kind]: params.get(kind) ?? "" }
  const look = () =>
    run(async (signal) => {
      if (id !== null && kind === undefined && Object.keys(asked).length === 0) {
        asked = await resolved(id, signal)
        history.replaceState(null, "", withQuery("/explain", asked))
      }
      return get("/api/v1/explain", asked, signal)
    })
  if (kind !== undefined || id !== null) void look()

  let unknown = false
  /** @param {Event} event */
  const submit = (event) => {
    const found = explainable(fieldsOf(event)["what"] ?? "")
    unknown = found === undefined
    if (found === undefined) redraw()
    else go(withQuery("/explain", found))
  }
  const typed = kind === undefined
    ? id ?? ""
    : kind === "event" || kind.endsWith("_id")
    ? params.get(kind)
    : `${kind}/${params.get(kind)}`
  const view = () =>
    html`<form class="row start filters" @submit=${submit}>
      <label class="grow">A block, tag or library, an outbox row, a request or a trace
        <input name="what" required maxlength="128" value=${
      typed ?? ""
    } placeholder="block/0197…, search/4711, a trace id, request/…"
          spellcheck="false" autocomplete="off" aria-describedby="hint" aria-invalid=${unknown}></label>
      <button>Explain</button></form>
      <p id="hint" class=${unknown ? "bad" : "unseen"}>${
      unknown
        ? "That is neither an id nor kind/id: block/…, tag/…, library/…, search/4711, request/… or a trace id."
        : "For example block/ and its id."
    }</p>${
      kind === undefined && id === null
        ? empty(
          "Which change?",
          html`Each row of the <a href="/outbox">outbox</a>, hit of a <a href="/search">search</a> and line of the
          <a href="/chronicle">chronicle</a> leads here.`
        )
        : loaded(state, () => state.value === undefined ? nothing : toldOf(state.value))
    }`
  return {
    title: "Explain",
    view,
    stop: () => {
      clearTimeout(timer)
      stop()
    }
  }
}
