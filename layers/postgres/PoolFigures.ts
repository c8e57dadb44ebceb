/** The pool by its own figures: connections open, allowed and waited for. No statement is hooked or sent. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Layer, type Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError } from "effect/sql"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { Socket } from "node:net"
import { DatabasePool } from "../../src/telemetry/DatabasePool.ts"

/** Node says it of every socket that is opened; of TLS the one below. */
const channel = "net.client.socket"

/** The sockets of this process to one server; the pool keeps to itself what it has opened. */
const openSockets = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const open = new Set<Socket>()
      const note = (message: unknown) => {
        const { socket } = message as { readonly socket: Socket }
        socket.once("connect", () => {
          if (socket.remotePort !== port) return
          open.add(socket)
          socket.once("close", () => open.delete(socket))
        })
      }
      subscribe(channel, note)
      return { open, note }
    }),
    ({ note }) => Effect.sync(() => unsubscribe(channel, note))
  )

const rolledBack = () =>
  new SqlError.SqlError({
    reason: new SqlError.UnknownError({
      cause: new Error("COMMIT rolled back an aborted transaction"),
      message: "PgClient: COMMIT rolled back an aborted transaction",
      operation: "commit"
    })
  })

/** PostgreSQL answers `ROLLBACK` to the `COMMIT` of a transaction that failed; the driver has a check like this one. */
const commit = (connection: SqlConnection.Connection) =>
  Effect.flatMap(
    connection.executeRaw("COMMIT", []),
    (result) =>
      (result as { readonly command?: string }).command === "ROLLBACK" ? Effect.fail(rolledBack()) : Effect.void
  )

/**
 * How the client lends a connection for one statement. It has no name for it, but its statements carry it; without it
 * a statement takes a connection as a transaction does, which costs more and does the same.
 */
const borrowerOf = (client: PgClient.PgClient) =>
  (client`select` as unknown as { readonly borrower?: SqlConnection.Borrower }).borrower

/** The same client, with whoever waits for a connection of its pool counted. */
const counted = Effect.fnUntraced(function*(client: PgClient.PgClient) {
  let waiting = 0
  const native = borrowerOf(client)
  const borrower: SqlConnection.Borrower | undefined = native && ((use) =>
    Effect.suspend(() => {
      let isWaiting = true
      waiting += 1
      const served = () => {
        if (isWaiting) waiting -= 1
        isWaiting = false
      }
      return Effect.ensuring(
        native((connection) => {
          served()
          return use(connection)
        }),
        Effect.sync(served)
      )
    }))
  const acquire: Effect.Effect<SqlConnection.Connection, SqlError.SqlError, Scope.Scope> = Effect.suspend(() => {
    waiting += 1
    return Effect.ensuring(client.reserve, Effect.sync(() => waiting -= 1))
  })
  const sql = yield* SqlClient.make({
    acquirer: acquire,
    transactionAcquirer: acquire,
    borrower,
    prepareTransactionControls: true,
    commit,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    compiler: PgClient.makeCompiler(),
    driver: client.driver,
    spanAttributes: []
  })
  const { config, json, listen, notify } = client
  const same = Object.assign(sql, { [PgClient.TypeId]: client[PgClient.TypeId], config, json, listen, notify })
  return { client: same as PgClient.PgClient, waiting: () => waiting }
})

/** `client` with its figures beside it; `max` is how many connections it may open to `port`. */
export const layer = <E>(
  client: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, E>,
  { max, port }: { readonly max: number; readonly port: number }
) =>
  Layer.effectContext(Effect.gen(function*() {
    const { open } = yield* openSockets(port)
    const made = yield* Layer.build(client)
    const { client: sql, waiting } = yield* counted(Context.get(made, PgClient.PgClient))
    const look = Effect.sync(() => ({ open: open.size, max, waiting: waiting() }))
    return Context.make(PgClient.PgClient, sql).pipe(
      Context.add(SqlClient.SqlClient, sql),
      Context.add(DatabasePool, { look })
    )
  })).pipe(Layer.provide(Reactivity.layer))
