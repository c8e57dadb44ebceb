/** The console's templates as text: the server draws what the browser would, and it is shown before a script begins. */
import type { TemplateResult } from "lit-html"
import { escaped } from "../../src/domain/Text.ts"

const isTemplate = (value: unknown): value is TemplateResult =>
  typeof value === "object" && value !== null && "_$litType$" in value

const textOf = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(textOf).join("")
  if (isTemplate(value)) return markup(value)
  const isShown = typeof value === "string" || typeof value === "number" || typeof value === "boolean"
  return isShown ? escaped(String(value)) : ""
}

/** What stands before a value that is an attribute's alone, without quotation marks; the sign says of what kind. */
const attribute = /\s([@?.]?)([\w-]+)=$/

const withValue = (before: string, value: unknown): string => {
  const found = attribute.exec(before)
  if (found === null) return before + textOf(value)
  const [whole, sign, name] = found
  const rest = before.slice(0, -whole.length)
  // What is done with it, only a browser knows.
  if (sign === "@") return rest
  if (sign === "?") return value === true ? `${rest} ${name}` : rest
  if (sign === ".") throw new Error(`no server knows the property ${name}`)
  return `${rest} ${name}="${textOf(value)}"`
}

export const markup = ({ strings, values }: TemplateResult): string =>
  values.map((value, at) => withValue(strings[at]!, value)).join("") + strings.at(-1)!
