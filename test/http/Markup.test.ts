/** What the server draws of a template is what a browser would, and no value becomes anything but text. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { html, nothing } from "lit-html"
import { unescaped } from "../../layers/http/console/format.js"
import { markup } from "../../layers/http/Markup.ts"

describe("a template as text", () => {
  it("has values between its tags, one in the other, lists after each other, and nothing for what is none", () => {
    const items = ["a", 2, html`<i>${0}</i>`, nothing, null, undefined, ""]
    assert.strictEqual(
      markup(html`<ul>${items.map((each) => html`<li>${each}</li>`)}</ul>${nothing}.`),
      [
        "<ul><li>a</li><li>2</li><li><i>0</i></li><li></li><li></li><li></li><li></li></ul>."
      ].join("")
    )
  })

  it("has attributes whole or in part, by what they are, and no more than a browser is told", () => {
    const turn = () => {}
    assert.strictEqual(
      markup(html`<a class="b ${"ok"}" href=${"/x?a=1&b=2"} title=${""} @click=${turn}>${1}=${2}</a>`),
      "<a class=\"b ok\" href=\"/x?a=1&#38;b=2\" title=\"\">1=2</a>"
    )
    assert.strictEqual(
      markup(html`<button ?disabled=${true} ?hidden=${false} @click=${turn}>x</button>`),
      "<button disabled>x</button>"
    )
    assert.throws(() => markup(html`<p .style=${"left:0"}></p>`), /style/)
  })

  it.prop("shows whatever stands in it as it is", { said: Schema.String }, ({ said }) => {
    const [, title, quoted, text] = /^<p title="([^"<]*)" class="a ([^"<]*)">([^<]*)<\/p>$/.exec(
      markup(html`<p title=${said} class="a ${said}">${said}</p>`)
    )!
    assert.deepStrictEqual([title, quoted, text].map((each) => unescaped(each!)), [said, said, said])
  })
})
