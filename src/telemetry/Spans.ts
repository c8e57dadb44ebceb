/** How the product's spans are made. */

/**
 * The options of every `Effect.withSpan`: a stack in case that something fails costs as much as all else about a span.
 * What fails is told by its error, its own stack and the trace that its log line names (decision 0024).
 */
export const withoutStack = { captureStackTrace: false } as const
