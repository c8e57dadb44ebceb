/** A text as one unmasked WebSocket frame (RFC 6455, 5.2), made once for all who are given it one after the other. */

const finalText = 0x81
const shortMax = 125
const mediumMax = 65_535

const encode = (text: string): Buffer => {
  const length = Buffer.byteLength(text)
  const header = length <= shortMax ? 2 : length <= mediumMax ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = finalText
  frame[1] = header === 2 ? length : header === 4 ? 126 : 127
  if (header === 4) frame.writeUInt16BE(length, 2)
  if (header === 10) frame.writeBigUInt64BE(BigInt(length), 2)
  frame.write(text, header)
  return frame
}

let last = { text: "", frame: encode("") }

/**
 * Nobody may change what it answers.
 *
 * ```ts
 * textFrame("hi")
 * // => <Buffer 81 02 68 69>
 * ```
 */
export const textFrame = (text: string): Buffer => {
  if (last.text !== text) last = { text, frame: encode(text) }
  return last.frame
}
