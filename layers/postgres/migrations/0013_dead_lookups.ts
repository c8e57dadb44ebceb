/**
 * Dead rows are found by their request and by their trace. They are few and seldom written, until a destination refuses
 * a wrong thing for long: then they are many, and looked for.
 */
export const deadLookUps = [
  "create index outbox_dead_request on outbox_dead (request_id)",
  "create index outbox_dead_trace on outbox_dead (substr(traceparent, 4, 32))"
]
