/** Hears every statement that goes to PostgreSQL, from the bytes of its protocol: nothing in the program knows of it. */

const parse = "P".charCodeAt(0)
const query = "Q".charCodeAt(0)

export interface StatementTap {
  readonly statements: ReadonlySet<string>
  /** For each connection one; it is given what the client sends. */
  readonly connection: () => (chunk: Buffer) => void
}

export const statementTap = (): StatementTap => {
  const statements = new Set<string>()
  const note = (type: number, body: Buffer) => {
    // Parse: a name, then the text; Query: the text alone.
    const from = type === parse ? body.indexOf(0) + 1 : 0
    if (type === parse || type === query) statements.add(body.toString("utf8", from, body.indexOf(0, from)))
  }
  return {
    statements,
    connection: () => {
      let rest = Buffer.alloc(0)
      // The first message alone has no type.
      let isStarted = false
      return (chunk) => {
        rest = Buffer.concat([rest, chunk])
        for (;;) {
          const head = isStarted ? 1 : 0
          if (rest.length < head + 4) return
          const end = head + rest.readInt32BE(head)
          if (rest.length < end) return
          if (isStarted) note(rest[0]!, rest.subarray(5, end))
          isStarted = true
          rest = rest.subarray(end)
        }
      }
    }
  }
}
