/** Planted in what leaves rows in the outbox, finds them there, and tells of them. */
import type { Mutant } from "./Mutant.ts"

const outbox = "layers/postgres/OutboxPostgres.ts"
const unsampled = "test/postgres/UnsampledRows.test.ts"
const catalog = "test/postgres/CatalogPostgres.test.ts"
const untold = "keeps no write that the outbox could not be told of"
const lateCommits = "test/postgres/LateCommits.test.ts"
const collector = "test/programs/HangingCollector.test.ts"
const unhurried = "is waited for by no request and by no projection"

/** A way to flush every tracer of the process, for those who would wait for it. */
const flushable = [
  {
    file: "src/telemetry/SafeTracer.ts",
    before: "/** Stands in for a span",
    after: "export const flushes: Array<() => Promise<unknown>> = []\n\n/** Stands in for a span"
  },
  {
    file: "layers/telemetry/TracerProvider.ts",
    before: "Layer.succeed(Tracer.Tracer, tracerOf(",
    after: "Layer.effectDiscard(Effect.sync(() => queue && flushes.push(() => Effect.runPromise(queue.flush)))),\n" +
      "      Layer.succeed(Tracer.Tracer, tracerOf("
  },
  { file: "layers/telemetry/TracerProvider.ts", before: "import { safe } from", after: "import { flushes, safe } from" }
]

export const rows: ReadonlyArray<Mutant> = [
  {
    name: "outbox row outside the transaction",
    places: [{
      bug: "a new entity is committed first, and its outbox row after it",
      edits: [{
        file: "src/catalog/Catalog.ts",
        before: "yield* store.insert(kind, all.map((fields, at) => ({ id: ids[at]!, fields })))",
        after: "yield* transaction.run(store.insert(kind, all.map((fields, at) => ({ id: ids[at]!, fields }))))"
      }, {
        file: "src/catalog/Catalog.ts",
        before: "return entities\n        }).pipe(transaction.run)",
        after: "return entities\n        })"
      }],
      caughtBy: [{ file: catalog, test: untold }]
    }, {
      bug: "a change is committed first, and its outbox row after it",
      edits: [{
        file: "src/catalog/Catalog.ts",
        before: "yield* store.update(kind, id, patch)",
        after: "yield* transaction.run(store.update(kind, id, patch))"
      }, {
        file: "src/catalog/Catalog.ts",
        before: "return after\n          }).pipe(transaction.run)",
        after: "return after\n          })"
      }],
      caughtBy: [{ file: catalog, test: untold }]
    }, {
      bug: "a removal is committed first, and its outbox row after it",
      edits: [{
        file: "src/catalog/Catalog.ts",
        before: "yield* store.remove(kind, id)",
        after: "yield* transaction.run(store.remove(kind, id))"
      }, {
        file: "src/catalog/Catalog.ts",
        before: "            return version\n          }).pipe(transaction.run)",
        after: "            return version\n          })"
      }],
      caughtBy: [{ file: catalog, test: untold }]
    }]
  },
  {
    name: "id cursor instead of status",
    places: [{
      bug: "a claim goes on above the highest id that was claimed, and nothing looks below it",
      edits: [{
        file: "layers/postgres/Claim.ts",
        before: "export const lookBack = 2_000",
        after: "export const lookBack = 0"
      }, {
        file: "layers/postgres/LeasesPostgres.ts",
        before: "sweep: (projection) => Effect.asVoid(run(sweeping(sql, projection)))",
        after: "sweep: () => Effect.void"
      }],
      caughtBy: [{
        file: lateCommits,
        test: "are found by the next claim as long as their ids are not far behind"
      }]
    }, {
      bug: "a claim looks back a little, and nothing looks further",
      edits: [{
        file: "layers/postgres/LeasesPostgres.ts",
        before: "sweep: (projection) => Effect.asVoid(run(sweeping(sql, projection)))",
        after: "sweep: () => Effect.void"
      }],
      caughtBy: [{
        file: lateCommits,
        test: "are found by the sweep however far behind they are, and told before newer ones"
      }]
    }]
  },
  {
    name: "unsampled rows lose their traceparent",
    places: [{
      bug: "a row keeps its context only where the trace is sampled",
      edits: [{
        file: outbox,
        before: "...spans.flatMap(({ context }) => [context?.traceparent ?? null,",
        after: "...spans.flatMap(({ context, span }) => [span.sampled ? context?.traceparent ?? null : null,"
      }],
      caughtBy: [{ file: unsampled, test: "keep their context, and its flag: one" }]
    }, {
      bug: "so do several rows that are left at once",
      edits: [{
        file: outbox,
        before: "spans.map(({ context }) => context?.traceparent ?? null)",
        after: "spans.map(({ context, span }) => span.sampled ? context?.traceparent ?? null : null)"
      }],
      caughtBy: [{ file: unsampled, test: "keep their context, and its flag: one of several" }]
    }, {
      bug: "the context of an unsampled span goes nowhere",
      edits: [{
        file: "layers/telemetry/TracerProvider.ts",
        before: "return traceparent === undefined ? undefined",
        after: "return traceparent === undefined || (traceFlags & 1) === 0 ? undefined"
      }],
      caughtBy: [{
        file: "test/telemetry/RecordedSpan.test.ts",
        test: "keeps the caller's trace, its tracestate and its flag down to the innermost span"
      }]
    }]
  },
  {
    name: "context taken from the ambient span",
    places: [{
      bug: "an attempt is told in whatever trace the worker is in, and not in the row's",
      edits: [{
        file: "src/delivery/AttemptSpans.ts",
        before: "const spans = new Map<number, Tracer.Span>()",
        after: "const spans = new Map<number, Tracer.Span>()\n" +
          "  const ambient = Option.getOrUndefined(yield* Effect.option(Effect.currentSpan))"
      }, {
        file: "src/delivery/AttemptSpans.ts",
        before: "const parent = carrier.extract(row.delivery.trace)",
        after: "const parent = ambient ?? carrier.extract(row.delivery.trace)"
      }],
      caughtBy: [{
        file: "test/delivery/AttemptSpans.test.ts",
        test: "shows the wait, the attempt and its steps below the enqueue span"
      }]
    }, {
      bug: "a row names the span around it, and not its own",
      edits: [{
        file: "src/telemetry/EnqueueSpan.ts",
        before: "context: carrier.inject(span)",
        after: "context: carrier.inject(around?._tag === \"Some\" ? around.value : span)"
      }],
      caughtBy: [{
        file: "test/http/RequestContext.test.ts",
        test: "goes on with the caller's trace, its tracestate and its flag"
      }]
    }]
  },
  {
    name: "exporter awaited in the work's path",
    places: [{
      bug: "a request is answered once its spans have been sent",
      edits: [...flushable, {
        file: "layers/http/Edge.ts",
        before: "finish(span, told.status, yield* Clock.currentTimeNanos)",
        after: "finish(span, told.status, yield* Clock.currentTimeNanos)\n" +
          "          yield* Effect.promise(() => Promise.all(flushes.map((flush) => flush())))"
      }, {
        file: "layers/http/Edge.ts",
        before: "import { TraceCarrier }",
        after: "import { flushes } from \"../../src/telemetry/SafeTracer.ts\"\nimport { TraceCarrier }"
      }],
      caughtBy: [{ file: collector, test: unhurried }]
    }, {
      bug: "a worker goes on once the spans of its batch have been sent",
      edits: [...flushable, {
        file: "src/delivery/Dispatcher.ts",
        before: "const failed = rows.filter(",
        after: "yield* Effect.promise(() => Promise.all(flushes.map((flush) => flush())))\n" +
          "            const failed = rows.filter("
      }, {
        file: "src/delivery/Dispatcher.ts",
        before: "import { report } from",
        after: "import { flushes } from \"../telemetry/SafeTracer.ts\"\nimport { report } from"
      }],
      caughtBy: [{ file: collector, test: unhurried }]
    }]
  }
]
