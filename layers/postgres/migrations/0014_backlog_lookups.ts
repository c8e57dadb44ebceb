/**
 * A change that waits is found by its request and by its trace, too. Only in the chronicle's outbox: every change has a
 * row there, until the chronicle has it, and each further index would be paid for by every write.
 */
export const backlogLookUps = [
  // What the product calls a request grows with time, so a B-tree is appended to; trace ids are random, and hashed.
  "create index outbox_chronicle_request on outbox_chronicle (request_id)",
  "create index outbox_chronicle_trace on outbox_chronicle using hash (substr(traceparent, 4, 32))"
]
