/** Whether logic answers, asked of its own health service. */
import { type Client, credentials, makeGenericClientConstructor, type ServiceError } from "@grpc/grpc-js"
import { Duration, Effect } from "effect"
import { service } from "grpc-health-check"
import { serviceName } from "./ChatProto.ts"

const HealthStub = makeGenericClientConstructor(service, "Health")

type Check = (
  request: { readonly service: string },
  options: { readonly deadline: Date },
  done: (error: ServiceError | null, reply?: { readonly status: string }) => void
) => { readonly cancel: () => void }

/** A connection of its own, so that a probe waits for nobody's call. It fails unless logic serves. */
export const make = Effect.fnUntraced(function*(address: string, within: Duration.Duration) {
  const client = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new HealthStub(address, credentials.createInsecure(), {
        "grpc.initial_reconnect_backoff_ms": 200,
        "grpc.max_reconnect_backoff_ms": 2_000
      })
    ),
    (opened: Client) => Effect.sync(() => opened.close())
  )
  const check = (client as unknown as { readonly check: Check }).check.bind(client)
  const serves = Effect.callback<void, ServiceError | string>((resume) => {
    const deadline = new Date(performance.timeOrigin + performance.now() + Duration.toMillis(within))
    const going = check({ service: serviceName }, { deadline }, (error, reply) => {
      if (error !== null) return resume(Effect.fail(error))
      resume(reply?.status === "SERVING" ? Effect.void : Effect.fail(String(reply?.status)))
    })
    return Effect.sync(() => going.cancel())
  })
  return { serves }
})
