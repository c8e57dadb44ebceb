/** A demonstration's own sessions in PostgreSQL: they read what the contract shows to everybody, and hold a lock. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Deferred, Effect, ManagedRuntime, Redacted } from "effect"

/**
 * A row of the view `search_outbox_events`, as far as it is looked at here.
 * @typedef {object} Event
 * @property {number} id
 * @property {string} status
 * @property {number} attempts
 * @property {string | null} lease_owner
 * @property {string | null} lease_until
 */

/**
 * A row of the view `outbox_attempts`.
 * @typedef {object} Attempt
 * @property {number} attempt
 * @property {string} worker
 * @property {string} claimed_at
 * @property {string} ended_at
 * @property {string} result
 * @property {string} outcome
 * @property {string | null} error_type
 * @property {string} trace_id
 */

/** @typedef {Awaited<ReturnType<typeof connect>>} Database */

/**
 * @param {ManagedRuntime.ManagedRuntime<PgClient.PgClient, unknown>} runtime
 * @param {PgClient.PgClient} sql
 */
const locksOf = (runtime, sql) => {
  /** @type {Set<() => Promise<void>>} */
  const held = new Set()

  /**
   * Nobody else reads or writes the table until the lock is released.
   * @param {string} table
   */
  const lock = async (table) => {
    const taken = Deferred.makeUnsafe()
    const released = Deferred.makeUnsafe()
    const transaction = runtime.runPromise(sql.withTransaction(
      sql`lock table ${sql(table)} in access exclusive mode`.pipe(
        Effect.andThen(Deferred.succeed(taken, undefined)),
        Effect.andThen(Deferred.await(released))
      )
    ))
    const release = async () => {
      held.delete(release)
      Deferred.doneUnsafe(released, Effect.void)
      await transaction
    }
    held.add(release)
    await Promise.race([runtime.runPromise(Deferred.await(taken)), transaction])
    return release
  }

  const releaseAll = async () => {
    for (const release of held) await release()
  }

  return { lock, releaseAll }
}

/** @param {string} url */
export const connect = async (url) => {
  const runtime = ManagedRuntime.make(PgClient.layer({
    url: Redacted.make(url),
    applicationName: "wordloom-demo",
    maxConnections: 2,
    startupParameters: { statement_timeout: "10s", timezone: "UTC" }
  }))
  const sql = await runtime.runPromise(PgClient.PgClient)

  /**
   * As JSON, so that every time keeps its microseconds and two readings can be compared to the letter.
   * @template A
   * @param {import("effect/sql/Statement").Statement<object>} query
   * @returns {Promise<ReadonlyArray<A>>}
   */
  const read = async (query) => {
    const rows = await runtime.runPromise(query)
    return rows.map((row) => /** @type {{ readonly row: A }} */ (row).row)
  }

  /**
   * @param {string} traceId
   * @returns {Promise<Event | undefined>}
   */
  const eventOf = async (traceId) => {
    const query = sql`select to_jsonb(event) as row from search_outbox_events event where trace_id = ${traceId}`
    const [event] = await read(query)
    return event
  }

  /**
   * By the database's clock, the only one that leases know. Milliseconds since then, or undefined before.
   * @param {string} traceId
   * @returns {Promise<number | undefined>}
   */
  const leaseOverSince = async (traceId) => {
    const [since] = await read(sql`
      select (extract(epoch from clock_timestamp() - lease_until) * 1000)::int as row
      from search_outbox_events where trace_id = ${traceId} and lease_until < clock_timestamp()`)
    return since
  }

  /**
   * @param {number} id
   * @returns {Promise<ReadonlyArray<Attempt>>}
   */
  const attemptsOf = (id) =>
    read(sql`
      select to_jsonb(one) as row from outbox_attempts one
      where projection = 'search' and event_id = ${id} order by attempt`)

  /**
   * What somebody does who does not know of the outbox: the entity changes, and nobody is told.
   * @param {string} blockId
   * @param {string} title
   */
  const changePast = (blockId, title) =>
    runtime.runPromise(sql`update blocks set title = ${title}, version = version + 1 where id = ${blockId}`)

  /**
   * Somebody waits for a lock on the table.
   * @param {string} table
   */
  const isWaitedFor = async (table) => {
    const waiting = await read(sql`
      select pid as row from pg_locks where relation = ${table}::regclass and not granted`)
    return waiting.length > 0
  }

  const { lock, releaseAll } = locksOf(runtime, sql)

  return {
    eventOf,
    leaseOverSince,
    attemptsOf,
    changePast,
    isWaitedFor,
    lock,
    releaseAll,
    close: () => runtime.dispose()
  }
}
