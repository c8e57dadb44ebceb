/** Opaque cursors: a keyset position as base64url JSON. What is damaged is refused. */
import { Effect, Option, Schema } from "effect"
import { CursorInvalid } from "../../src/domain/Paging.ts"

export const cursor = <A, I>(schema: Schema.Codec<A, I>) => {
  const json = Schema.fromJsonString(schema)
  const parse = Schema.decodeUnknownOption(json)
  const print = Schema.encodeSync(json)
  const encode = (position: A): string => Buffer.from(print(position)).toString("base64url")
  /** Without a cursor there is no position: the first page. */
  const decode = (text: string | undefined): Effect.Effect<A | undefined, CursorInvalid> => {
    if (text === undefined) return Effect.undefined
    const position = parse(Buffer.from(text, "base64url").toString("utf8"))
    // Only what `encode` makes: the decoders forgive a lot.
    return Option.isSome(position) && encode(position.value) === text
      ? Effect.succeed(position.value)
      : Effect.fail(new CursorInvalid())
  }
  return { encode, decode }
}
