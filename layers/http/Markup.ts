/** The console's templates as text, so that the server draws what the browser would: shown before a script has begun. */
import { nothing, type TemplateResult } from "lit-html"
import { escaped } from "../../src/domain/Text.ts"

const isTemplate = (value: unknown): value is TemplateResult =>
  typeof value === "object" && value !== null && "_$litType$" in value

const textOf = (value: unknown): string => {
  if (value === nothing || value === null || value === undefined) return ""
  if (Array.isArray(value)) return value.map(textOf).join("")
  return isTemplate(value) ? markup(value) : escaped(String(value))
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
