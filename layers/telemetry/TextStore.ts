/** Text that waits outside of V8's heap, where it costs the garbage collector nothing. */

export interface StoredText {
  readonly bytes: number
  readonly read: () => string
}

/** A slab is given back once nobody has a text of it any more; what is written together is forgotten together. */
const slabBytes = 256 * 1_024

let slab = Buffer.alloc(0)
let used = 0

export const store = (text: string): StoredText => {
  const bytes = Buffer.byteLength(text)
  if (used + bytes > slab.length) {
    slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes))
    used = 0
  }
  const [within, from] = [slab, used]
  used += within.write(text, from)
  return { bytes, read: () => within.toString("utf8", from, from + bytes) }
}
