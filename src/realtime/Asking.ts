/** Logic as a gateway asks it: each question that a client waits for in a span of its own. */
import { Effect } from "effect"
import { withoutStack } from "../telemetry/Spans.ts"
import { Logic } from "./Logic.ts"

const of = (session_id: string) => ({ kind: "client", attributes: { session_id } } as const)

/** That a member has left, and who is there, is nobody's question. */
export const asking = Effect.map(Logic, (logic) =>
  Logic.of({
    ...logic,
    sendMessage: (chat) =>
      logic.sendMessage(chat).pipe(
        Effect.withSpan("gateway.grpc.send_message", of(chat.session_id), withoutStack)
      ),
    history: (session, after, limit) =>
      logic.history(session, after, limit).pipe(
        Effect.withSpan("gateway.grpc.history", of(session), withoutStack)
      ),
    join: (ref, gateway) =>
      logic.join(ref, gateway).pipe(Effect.withSpan("gateway.grpc.join", of(ref.id), withoutStack))
  }))

/** What the wire knows of a question; one without a span of its own says nothing of it in another's. */
export const annotateQuestion = (attributes: Readonly<Record<string, string>>) =>
  Effect.map(Effect.option(Effect.currentSpan), (span) => {
    if (span._tag === "None" || span.value.kind !== "client") return
    for (const key in attributes) span.value.attribute(key, attributes[key])
  })
