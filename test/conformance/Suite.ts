/** One suite per port, run against whichever adapter it is given. */
import { layer, type Vitest } from "@effect/vitest"
import type { Layer } from "effect"

type Part<Needs> = (it: Vitest.MethodsNonLive<Needs>) => void

export const suiteOf = <Needs>(port: string, parts: ReadonlyArray<Part<Needs>>) =>
<E>(options: {
  readonly name: string
  readonly layer: Layer.Layer<Needs, E>
  /** The store runs by the real clock. */
  readonly excludeTestServices?: boolean
}) =>
  layer(options.layer, { excludeTestServices: options.excludeTestServices ?? false })(
    `${port} (${options.name})`,
    (it) => parts.forEach((part) => part(it))
  )
