/** Reads Prometheus' text format, strictly: what does not fit it is an error. */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly type: string
  readonly help: string
  readonly samples: ReadonlyArray<Sample>
}

const header = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/
const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/gy

const labelsOf = (text: string) => {
  const labels: Record<string, string> = {}
  let read = 0
  for (const [all, name = "", value = ""] of text.matchAll(label)) {
    labels[name] = value
    read += all.length
  }
  if (read !== text.length) throw new Error(`not labels: ${text}`)
  return labels
}

const valueOf = (text: string) => {
  const value = text === "+Inf" ? Number.POSITIVE_INFINITY : text === "-Inf" ? Number.NEGATIVE_INFINITY : Number(text)
  if (Number.isNaN(value) && text !== "NaN") throw new Error(`not a value: ${text}`)
  return value
}

const familyOf = (name: string, families: ReadonlyMap<string, unknown>) =>
  [name, name.replace(/_(bucket|sum|count)$/, "")].find((candidate) => families.has(candidate))

export const parseMetrics = (text: string): ReadonlyMap<string, Family> => {
  const families = new Map<string, { type: string; help: string; samples: Array<Sample> }>()
  if (!text.endsWith("\n")) throw new Error("the last line does not end")
  for (const row of text.split("\n").slice(0, -1).filter((one) => one !== "")) {
    const said = header.exec(row)
    if (said !== null) {
      const [, what, name = "", value = ""] = said
      const family = families.get(name) ?? { type: "", help: "", samples: [] }
      if (family.samples.length > 0) throw new Error(`${name} is described after its samples`)
      families.set(name, { ...family, [what === "HELP" ? "help" : "type"]: value })
      continue
    }
    const [, name = "", labels = "", value = ""] = line.exec(row) ?? []
    const family = familyOf(name, families)
    if (family === undefined) throw new Error(`not a line of a known metric: ${row}`)
    families.get(family)!.samples.push({ name, labels: labelsOf(labels), value: valueOf(value) })
  }
  return families
}

const exemplar = / # \{([^}]*)\} (\S+)( \d+(\.\d+)?)?$/

/** OpenMetrics, strictly where it differs: how it ends, what a counter is called, how a bound is spelt, exemplars. */
export const parseOpenMetrics = (text: string) => {
  if (!text.endsWith("\n# EOF\n")) throw new Error("it does not end with # EOF")
  const exemplars: Array<Readonly<Record<string, string>>> = []
  const counters = new Set<string>()
  const plain = text.slice(0, -"# EOF\n".length).split("\n").map((row) => {
    const [, type, name = ""] = /^# (HELP|TYPE) (\S+)/.exec(row) ?? []
    if (type !== undefined) {
      if (/^# TYPE \S+ counter$/.test(row)) counters.add(name)
      return row
    }
    const [, le] = /[{,]le="([^"]*)"/.exec(row) ?? []
    if (le !== undefined && !/^(\+Inf|\d+\.\d+(e\+\d\d)?|\d(\.\d+)?e\+\d\d)$/.test(le)) {
      throw new Error(`not a bound: ${le}`)
    }
    const found = exemplar.exec(row)
    const told = le === undefined || le === "+Inf" ? row : row.replace(`le="${le}"`, `le="${Number(le)}"`)
    if (found === null) return told
    const labels = labelsOf(found[1]!)
    if (Object.entries(labels).flat().join("").length > 128) throw new Error(`too long an exemplar: ${row}`)
    if (!/^\S+_(bucket\{|total)/.test(row)) throw new Error(`an exemplar where none may be: ${row}`)
    exemplars.push(labels)
    return told.replace(exemplar, "")
  })
  const families = parseMetrics(
    plain.map((row) => {
      const [, what, name = ""] = /^# (HELP|TYPE) (\S+)/.exec(row) ?? []
      return what !== undefined && counters.has(name) ? row.replace(name, `${name}_total`) : row
    }).join("\n")
  )
  return { families, exemplars }
}

/** A series as one text, however its labels are ordered. */
export const seriesOf = (families: ReadonlyMap<string, Family>): ReadonlySet<string> =>
  new Set(
    [...families.values()].flatMap(({ samples }) =>
      samples.map(({ labels, name }) => `${name}${JSON.stringify(Object.entries(labels).toSorted())}`)
    )
  )
