/** Cursors that nobody gave out. */

/** What may become of `cursor` on its way, and `foreign` positions in the form of one. */
export const damaged = (cursor: string, ...foreign: ReadonlyArray<unknown>): ReadonlyArray<string> => [
  "",
  "x",
  "%",
  "\0",
  ` ${cursor}`,
  `${cursor}=`,
  `x${cursor}`,
  `${cursor}\0`,
  ...foreign.map((position) => Buffer.from(JSON.stringify(position)).toString("base64url"))
]
