/** What a page does with what is around it: says, asks, reads a form, goes elsewhere. */

/** Said aloud by a screen reader, and shown for some seconds. @param {string} text @param {"ok" | "bad"} [level] */
export const say = (text, level = "ok") => {
  const said = document.getElementById("said")
  if (said === null) return
  said.textContent = text
  said.className = `said ${level}`
  clearTimeout(silence)
  silence = setTimeout(() => {
    said.className = "said"
    said.textContent = ""
  }, 8_000)
}
/** @type {ReturnType<typeof setTimeout> | undefined} */
let silence

/**
 * Asks before much is done; the dialog is the browser's own, so that the keyboard stays in it.
 *
 * @param {string} title
 * @param {string} text
 * @param {string} yes
 * @returns {Promise<boolean>}
 */
export const confirmed = (title, text, yes) => {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("ask"))
  /** @param {string} part @param {string} said */
  const put = (part, said) => {
    const place = dialog.querySelector(part)
    if (place !== null) place.textContent = said
  }
  put("h2", title)
  put("p", text)
  put("button[value=yes]", yes)
  dialog.returnValue = ""
  dialog.showModal()
  return new Promise((answered) => {
    dialog.addEventListener("close", () => answered(dialog.returnValue === "yes"), { once: true })
  })
}

/** @param {Event} event the submission of a form: its fields, without those that are empty */
export const fieldsOf = (event) => {
  event.preventDefault()
  const form = /** @type {HTMLFormElement} */ (event.currentTarget)
  /** @type {Record<string, string>} */
  const fields = {}
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string" && value.trim() !== "") fields[name] = value.trim()
  }
  return fields
}

/** @param {string} href */
export const go = (href) => {
  globalThis.dispatchEvent(new CustomEvent("go", { detail: href }))
}
