/** Grafana's dashboards and data sources as they lie in infra: what each panel asks, and whom. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { parse } from "yaml"

const folder = Path.join(import.meta.dirname, "../../infra/grafana")
const boards = Path.join(folder, "dashboards")

export interface Target {
  readonly refId: string
  readonly datasource: { readonly type: string; readonly uid: string }
  readonly expr?: string
  readonly queryType?: string
  readonly query?: string
  readonly exemplar?: boolean
}

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: ReadonlyArray<Target>
}

export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly tags: ReadonlyArray<string>
  readonly panels: ReadonlyArray<Panel>
  readonly annotations: { readonly list: ReadonlyArray<{ readonly expr: string }> }
}

export const dashboards: ReadonlyArray<Dashboard> = Fs.readdirSync(boards).map((file) =>
  JSON.parse(Fs.readFileSync(Path.join(boards, file), "utf8"))
)

export interface Asked {
  /** Dashboard and panel. */
  readonly where: string
  readonly title: string
  readonly query: string
}

const asked = (queryOf: (target: Target) => string | undefined): ReadonlyArray<Asked> =>
  dashboards.flatMap((board) =>
    board.panels.flatMap(({ targets = [], title }) =>
      targets.flatMap((target) => {
        const query = queryOf(target)
        return query === undefined ? [] : [{ where: `${board.title}, ${title}`, title, query }]
      })
    )
  )

/** As Grafana sends it, with its own variable filled in. */
const filledIn = (query: string) => query.replaceAll("$__rate_interval", "1m")

export const promQueries = asked(({ expr }) => expr === undefined ? undefined : filledIn(expr))
export const traceQueries = asked(({ query, queryType }) => queryType === "traceql" ? query : undefined)

// The file is provisioning: `$$` is a plain `$` there.
export const datasources = parse(
  Fs.readFileSync(Path.join(folder, "provisioning/datasources/wordloom.yaml"), "utf8").replaceAll("$$", "$")
).datasources as ReadonlyArray<
  { readonly uid: string; readonly type: string; readonly url: string; readonly jsonData: any }
>
