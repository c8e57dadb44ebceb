/**
 * What stands in every page: light, dark, or as the system has it, set before anything is drawn, so that nothing
 * flashes; and when the console's script is loaded.
 */
{
  const kept = () => {
    try {
      return localStorage.getItem("theme")
    } catch {
      return null
    }
  }
  const root = document.documentElement
  const theme = kept()
  if (theme === "light" || theme === "dark") root.dataset["theme"] = theme

  const isDark = () =>
    root.dataset["theme"] === undefined
      ? matchMedia("(prefers-color-scheme: dark)").matches
      : root.dataset["theme"] === "dark"

  document.addEventListener("DOMContentLoaded", () => {
    const script = "/console/console.js"
    const load = () => void import(script)
    // What the server has drawn is painted first: loading a script takes the same processors.
    if (document.querySelector("main .cards") === null) load()
    else requestAnimationFrame(() => setTimeout(load))

    const button = document.getElementById("theme")
    const tell = () => button?.setAttribute("aria-pressed", String(isDark()))
    tell()
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell)
    button?.addEventListener("click", () => {
      const next = isDark() ? "light" : "dark"
      root.dataset["theme"] = next
      try {
        localStorage.setItem("theme", next)
      } catch {
        // A browser that keeps nothing still shows what was chosen.
      }
      tell()
    })
  })
}
