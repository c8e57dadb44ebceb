/** Opaque cursors: a keyset position as base64url JSON. A damaged one is simply no cursor of ours. */
import { Option, Schema } from "effect"

export const cursor = <A, I>(schema: Schema.Codec<A, I>) => {
  const json = Schema.fromJsonString(schema)
  const decode = Schema.decodeUnknownOption(json)
  const encode = Schema.encodeSync(json)
  return {
    encode: (position: A): string => Buffer.from(encode(position)).toString("base64url"),
    decode: (text: string): A | undefined =>
      Option.getOrUndefined(decode(Buffer.from(text, "base64url").toString("utf8")))
  }
}
