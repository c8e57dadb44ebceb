/** Whether logic answers, asked of its own health service. */
import { makeGenericClientConstructor } from "@grpc/grpc-js"
import { Duration, Effect } from "effect"
import { service } from "grpc-health-check"
import { serviceName } from "./ChatProto.ts"
import { ask, opened } from "./Unary.ts"

const HealthStub = makeGenericClientConstructor(service, "Health")

/** A connection of its own, so that a probe waits for nobody's call. It fails unless logic serves. */
export const make = Effect.fnUntraced(function*(address: string, within: Duration.Duration) {
  const client = yield* opened(HealthStub, address)
  const request = { service: serviceName }
  const asked = { method: "check", request, withinMs: Duration.toMillis(within) }
  const serves = ask(client, asked, ({ status }: { readonly status: string }) => status).pipe(
    Effect.filterOrFail((status) => status === "SERVING")
  )
  return { serves }
})
