/** The span that doctor sends to see whether traces arrive; no IO. */

export const ownService = "wordloom-doctor"

/** A span of its own, as OTLP/HTTP takes it. */
export const probeOf = (traceId: string, nowMs: number) => ({
  resourceSpans: [{
    resource: { attributes: [{ key: "service.name", value: { stringValue: ownService } }] },
    scopeSpans: [{
      scope: { name: "wordloom.doctor" },
      spans: [{
        traceId,
        spanId: traceId.slice(16),
        name: "doctor.probe",
        kind: 1,
        startTimeUnixNano: `${nowMs}000000`,
        endTimeUnixNano: `${nowMs + 1}000000`
      }]
    }]
  }]
})
