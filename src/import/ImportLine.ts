/** One line of an import file: a block as people write it down, with names where the catalog has ids. */
import { Result, Schema, SchemaIssue } from "effect"
import { BlockFields, LibraryFields, TagFields } from "../domain/Entity.ts"
import { excerpt } from "../domain/Text.ts"

/** As many as a block may have. */
const tagsMax = 64
/** A reason is read by a person, among others. */
const reasonMax = 300

export const ImportLine = Schema.Struct({
  title: BlockFields.fields.title,
  body: BlockFields.fields.body,
  /** Tags by name; naming one twice is the same as once. */
  tags: Schema.optionalKey(Schema.Array(TagFields.fields.name).check(Schema.isMaxLength(tagsMax))),
  library: Schema.optionalKey(LibraryFields.fields.name)
})
export type ImportLine = typeof ImportLine.Type

/** What became of a line's text. */
export type Reading =
  | { readonly _tag: "Block"; readonly line: ImportLine }
  | { readonly _tag: "Blank" }
  | { readonly _tag: "Rejected"; readonly reason: string }

const decode = Schema.decodeUnknownResult(ImportLine, { onExcessProperty: "error", errors: "all" })
const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** The library's words for the two commonest mistakes say little to who made them. */
const clearer: Readonly<Record<string, string>> = {
  "Expected no excess property": "is not a known field",
  "Missing key": "is required"
}

const segment = (part: PropertyKey | { readonly key: PropertyKey }) =>
  String(typeof part === "object" ? part.key : part)

/** What stands in a file must not move the cursor of a terminal, nor begin a line of its own. */
const printable = (text: string) => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")

export const rejected = (reason: string): Reading => ({
  _tag: "Rejected",
  reason: excerpt(printable(reason), reasonMax)
})

// A byte order mark inside the text is a mistake of that line; only a file may begin with one.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const byteOrderMark = "\uFEFF"

const textOf = (bytes: Uint8Array, isFirst: boolean): string | undefined => {
  try {
    const text = utf8.decode(bytes)
    return isFirst && text.startsWith(byteOrderMark) ? text.slice(1) : text
  } catch {
    return undefined
  }
}

const parse = (text: string): Result.Result<unknown, string> => {
  try {
    return Result.succeed(JSON.parse(text))
  } catch (error) {
    return Result.fail(`not JSON: ${(error as Error).message}`)
  }
}

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value)

/** `isFirst`: the file begins with this line. */
export const readLine = (bytes: Uint8Array, isFirst: boolean): Reading => {
  const text = textOf(bytes, isFirst)
  if (text === undefined) return rejected("not UTF-8")
  if (text.trim() === "") return { _tag: "Blank" }
  const parsed = parse(text)
  if (Result.isFailure(parsed)) return rejected(parsed.failure)
  if (!isObject(parsed.success)) return rejected("must be a JSON object")
  const decoded = decode(parsed.success)
  if (Result.isSuccess(decoded)) return { _tag: "Block", line: decoded.success }
  return rejected(
    format(decoded.failure.issue).issues
      .map(({ message, path = [] }) => `${path.map(segment).join(".")}: ${clearer[message] ?? message}`)
      .join("; ")
  )
}
