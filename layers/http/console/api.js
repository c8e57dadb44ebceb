/** Calls to the API; every refusal becomes an error that a person can read. */

/** What the API, or the way to it, said no with. */
export class Refused extends Error {
  /**
   * @param {string} message
   * @param {number} status 0 when nothing answered
   * @param {string} [requestId]
   */
  constructor(message, status, requestId) {
    super(message)
    this.status = status
    this.requestId = requestId
  }
}

const away = "The server does not answer. This page goes on as soon as it does."

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {{ readonly signal?: AbortSignal, readonly headers?: Record<string, string> }} [options]
 * @returns {Promise<{ readonly body: any, readonly headers: Headers }>}
 */
const call = async (method, path, body, options = {}) => {
  /** @type {Record<string, string>} */
  const type = body === undefined ? {} : { "content-type": "application/json" }
  const response = await fetch(path, {
    method,
    headers: { accept: "application/json", ...type, ...options.headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(options.signal === undefined ? {} : { signal: options.signal })
  }).catch((error) => {
    throw error instanceof DOMException && error.name === "AbortError" ? error : new Refused(away, 0)
  })
  /** @type {any} */
  const said = await response.json().catch(() => undefined)
  if (response.ok && said !== undefined) return { body: said, headers: response.headers }
  throw new Refused(said?.detail ?? said?.title ?? `HTTP ${response.status}`, response.status, said?.request_id)
}

/**
 * @param {string} path
 * @param {Readonly<Record<string, string | null | undefined>>} [query] what is empty is left out
 * @param {AbortSignal} [signal]
 */
export const get = async (path, query = {}, signal) =>
  (await call("GET", withQuery(path, query), undefined, signal === undefined ? {} : { signal })).body

/**
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [headers]
 */
export const post = (path, body, headers = {}) => call("POST", path, body, { headers })

/**
 * @param {string} path
 * @param {Readonly<Record<string, string | null | undefined>>} query
 */
export const withQuery = (path, query) => {
  const said = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value) said.set(name, value)
  return said.size === 0 ? path : `${path}?${said}`
}
