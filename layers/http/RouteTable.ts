/** Every route with its template: names spans and metrics before the router runs, and says which methods a path has. */
import { FindMyWay, type HttpMethod, type HttpRouter } from "effect/http"
import { HttpApi } from "effect/http-api"
import { WordloomApi } from "../../src/api/WordloomApi.ts"
import type { RouteTemplate } from "../../src/telemetry/HttpLabels.ts"

/** What names a route in spans and metrics. */
export type Route = readonly [method: HttpMethod.HttpMethod, path: HttpRouter.PathInput]

export interface RouteTable {
  /** `undefined` for a path that is no route of ours. */
  readonly template: (method: string, url: string) => RouteTemplate | undefined
  readonly allowed: (url: string) => ReadonlyArray<string>
}

export const apiRoutes = (): ReadonlyArray<Route> => {
  const routes: Array<Route> = []
  HttpApi.reflect(WordloomApi, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      routes.push([endpoint.method, endpoint.path as HttpRouter.PathInput])
    }
  })
  return routes
}

const normal = (path: string) => path.length > 1 ? path.replace(/\/$/, "") : path

export const routeTable = (routes: ReadonlyArray<Route>): RouteTable => {
  const table = FindMyWay.make<RouteTemplate>()
  for (const [method, path] of routes) table.on(method, path, normal(path) as RouteTemplate)
  const methods = [...new Set(routes.map(([method]) => method))]
  const template = (method: string, url: string) => table.find(method, url)?.handler
  return {
    template: (method, url) => template(method === "HEAD" ? "GET" : method, url),
    allowed: (url) =>
      methods.filter((method) => template(method, url) !== undefined).flatMap((method) =>
        method === "GET" ? ["GET", "HEAD"] : [method]
      )
  }
}
