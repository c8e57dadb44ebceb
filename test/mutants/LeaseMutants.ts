/** Planted in claims, leases and settlements. */
import type { Mutant } from "./Mutant.ts"

const dispatcher = "test/delivery/Dispatcher.test.ts"
const outbox = "test/postgres/OutboxPostgres.test.ts"
const clock = "test/postgres/LeaseClock.test.ts"

export const leases: ReadonlyArray<Mutant> = [
  {
    name: "acknowledged before the answer",
    places: [{
      bug: "the delivery goes on in the background, and its rows count as written",
      edits: [{
        file: "src/delivery/Dispatcher.ts",
        before: "destination.deliver(batch.deliveries).pipe(",
        after: "Effect.as(Effect.forkDetach(destination.deliver(batch.deliveries)), " +
          "sameForAll(batch, { _tag: \"Written\" })).pipe("
      }],
      caughtBy: [{ file: dispatcher, test: "is another try, counted, when the delivery itself breaks" }]
    }, {
      bug: "a bulk request that was sent counts as one that was answered",
      edits: [{
        file: "layers/elasticsearch/BulkWrite.ts",
        before: "const answer = yield* request({ method: \"POST\", path, query, lines: lines.join(\"\"), " +
          "timeout: writeTimeout })",
        after: "yield* Effect.forkDetach(request({ method: \"POST\", path, query, lines: lines.join(\"\"), " +
          "timeout: writeTimeout }))\n" +
          "  const answer = { status: 200, body: { took: 0, items: lines.map(() => ({ index: { status: 200 } })) } }"
      }],
      caughtBy: [{ file: "test/elasticsearch/BulkFaults.test.ts", test: "gives each item its own result" }]
    }]
  },
  {
    name: "no token in the guard",
    places: [{
      bug: "a settlement asks whether there is a lease, and not whether it is its own",
      edits: [{
        file: "layers/postgres/Settle.ts",
        before: "and token = ${batch.token}::uuid and lease_until",
        after: "and token is not null and lease_until"
      }],
      caughtBy: [{ file: outbox, test: "gives an expired row to the next claimer, and refuses the late settlement" }]
    }, {
      bug: "a heartbeat lengthens every lease of its projection",
      edits: [{
        file: "layers/postgres/HeartbeatsPostgres.ts",
        before: "and token = ${batch.token}::uuid",
        after: "and token is not null"
      }],
      caughtBy: [{ file: outbox, test: "does not lengthen the lease of who has it now for who had it" }]
    }]
  },
  {
    name: "now() for the lease",
    places: [{
      bug: "a settlement judges its lease by the time at which its transaction began",
      edits: [{
        file: "layers/postgres/Settle.ts",
        before: "lease_until > clock_timestamp()",
        after: "lease_until > now()"
      }],
      caughtBy: [{ file: clock, test: "is over for a settlement whose transaction began while it lasted" }]
    }, {
      bug: "a lease counts from when the claim's transaction began",
      edits: [{
        file: "layers/postgres/Claim.ts",
        before: "then (select clock_timestamp()) + $3",
        after: "then now() + $3"
      }],
      caughtBy: [{
        file: clock,
        test: "lasts as long as it was asked for, however long ago the transaction began that it is given in"
      }]
    }, {
      bug: "a heartbeat brings a lease back to life that ended since its transaction began",
      edits: [{
        file: "layers/postgres/HeartbeatsPostgres.ts",
        before: "lease_until > (select clock_timestamp())",
        after: "lease_until > now()"
      }],
      caughtBy: [{ file: clock, test: "is over for a settlement whose transaction began while it lasted" }]
    }, {
      bug: "who looks for dead workers finds those that were dead when the transaction began",
      edits: [{
        file: "layers/postgres/Reclaim.ts",
        before: "lease_until < (select clock_timestamp())\n        order by",
        after: "lease_until < now()\n        order by"
      }],
      caughtBy: [{
        file: clock,
        test: "is over for who looks for dead workers in a transaction that began while it lasted"
      }]
    }]
  },
  {
    name: "the worker's clock for the lease",
    places: [{
      bug: "a claim writes the end of its lease as its own process sees the time",
      edits: [{
        file: "layers/postgres/Claim.ts",
        before: "then (select clock_timestamp()) + $3::float8 * interval '1 millisecond' end",
        after: "then to_timestamp($3::float8 / 1000) end"
      }, {
        file: "layers/postgres/Claim.ts",
        before: "Duration.toMillis(leaseFor)]",
        after: "Date.now() + Duration.toMillis(leaseFor)]"
      }],
      caughtBy: [{ file: clock, test: "lasts as long as it was asked for, with the worker's clock an hour ahead" }]
    }, {
      bug: "a heartbeat does so",
      edits: [{
        file: "layers/postgres/HeartbeatsPostgres.ts",
        before: "clock_timestamp() + ${Duration.toMillis(leaseFor)} * interval '1 millisecond'",
        after: "${new Date(Date.now() + Duration.toMillis(leaseFor))}::timestamptz"
      }],
      caughtBy: [{ file: clock, test: "lasts as long as it was asked for, with the worker's clock an hour behind" }]
    }]
  },
  {
    name: "attempt not counted when it is lost",
    places: [{
      bug: "a row that is taken back from a dead worker begins its attempt again under the same number",
      edits: [{
        file: "layers/postgres/Reclaim.ts",
        before: "else 1 end, attempts = attempt,",
        after: "else 1 end,"
      }],
      caughtBy: [
        { file: outbox, test: "buries what has lost its last attempt, and keeps a record of each that was lost" },
        { file: outbox, test: "gives an expired row to the next claimer, and refuses the late settlement" }
      ]
    }]
  },
  {
    name: "heartbeats over the pool of the work",
    places: [{
      bug: "a heartbeat waits for a connection that the delivery it keeps alive is using",
      edits: [{
        file: "programs/compose/Workers.ts",
        before: "Layer.provide([WakeUpsPostgres.layer, heartbeats])",
        after: "Layer.provide([WakeUpsPostgres.layer, HeartbeatsPostgres.layer])"
      }],
      caughtBy: [{
        file: "test/programs/ExhaustedPool.test.ts",
        test: "keeps its lease while its only connection is busy for longer than the lease"
      }]
    }]
  }
]
