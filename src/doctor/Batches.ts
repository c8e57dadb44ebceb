/** Where a worker's own traces are told: by service and by operation. */
export const batches = { service: "wordloom-search-outbox-worker", operation: "projection.process_batch" } as const
