/** Logic as a gateway asks it: each question that a client waits for in a span of its own. */
import { Effect } from "effect"
import { withoutStack } from "../telemetry/Spans.ts"
import { Logic } from "./Logic.ts"

const inSpan = (name: string, session_id: string) =>
  Effect.withSpan(`gateway.grpc.${name}`, { kind: "client", attributes: { session_id } }, withoutStack)

/** That a member has left, and who is there, is nobody's question. */
export const asking = Effect.map(Logic, (logic) =>
  Logic.of({
    ...logic,
    sendMessage: (chat) => inSpan("send_message", chat.session_id)(logic.sendMessage(chat)),
    history: (session, after, limit) => inSpan("history", session)(logic.history(session, after, limit)),
    join: (ref, gateway) => inSpan("join", ref.id)(logic.join(ref, gateway))
  }))

/** What the wire knows of a question; one without a span of its own says nothing of it in another's. */
export const annotateQuestion = (attributes: Readonly<Record<string, string>>) =>
  Effect.map(Effect.option(Effect.currentSpan), (span) => {
    if (span._tag === "None" || span.value.kind !== "client") return
    for (const key in attributes) span.value.attribute(key, attributes[key])
  })
