/** A colour for a tag that nobody has chosen one for: always the same for the same name. */

const saturation = 0.55
const lightness = 0.5

/** FNV-1a over UTF-16 code units. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  return value >>> 0
}

/**
 * ```ts
 * colorOf("noun.animal")
 * // => "#C63953"
 * ```
 */
export const colorOf = (name: string): string => {
  const hue = hash(name) % 360
  const reach = saturation * Math.min(lightness, 1 - lightness)
  const channel = (shift: number) => {
    const at = (shift + hue / 30) % 12
    const value = lightness - reach * Math.max(-1, Math.min(at - 3, 9 - at, 1))
    return Math.round(value * 255).toString(16).padStart(2, "0")
  }
  return `#${channel(0)}${channel(8)}${channel(4)}`.toUpperCase()
}
