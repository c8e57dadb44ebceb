/** Gateways and the sessions that they hold members of, in PostgreSQL; by its clock some are gone. */
import { Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { EntityId } from "../../src/domain/Entity.ts"
import { type Gateway, goneAfter, openFor, Presence } from "../../src/realtime/Presence.ts"
import { uuids } from "./Parameters.ts"
import { orUnavailable } from "./PostgresErrors.ts"
import { silent } from "./Statement.ts"

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const inTime = (duration: Duration.Duration) => sql`${Duration.toMillis(duration)} * interval '1 millisecond'`

  const known = ({ address, gateway_id }: Gateway) =>
    sql`insert into realtime_gateways (id, address) values (${gateway_id}, ${address})
      on conflict (id) do update set address = excluded.address, seen_at = clock_timestamp() returning id`

  const attend = Effect.fnUntraced(function*(gateway: Gateway, sessions: ReadonlyArray<EntityId>) {
    const ids = uuids([...new Set(sessions)].toSorted())
    const heads = yield* silent(sql.withTransaction(Effect.gen(function*() {
      yield* known(gateway)
      yield* sql`insert into realtime_members (gateway_id, session_id)
        select ${gateway.gateway_id}, id from unnest(${ids}) as id on conflict do nothing`
      // Those whose gateway was not heard of for long; never waiting for one that says something just now.
      yield* sql`delete from realtime_gateways where id in (select id from realtime_gateways
        where seen_at < clock_timestamp() - ${inTime(goneAfter)} for update skip locked)`
      return yield* sql<{ readonly id: string; readonly last_seq: number }>`
        with held as (select id from realtime_sessions where id = any(${ids}) order by id for update)
        update realtime_sessions set open_until = clock_timestamp() + ${inTime(openFor)}
        where id in (select id from held) returning id, last_seq`
    })))
    return heads.map(({ id, last_seq }) => ({ session_id: EntityId.make(id), last_seq }))
  })

  const enter = (gateway: Gateway, session: EntityId) =>
    silent(sql`
      with known as (${known(gateway)})
      insert into realtime_members (gateway_id, session_id)
      select id, ${session}::uuid from known on conflict do nothing`)

  const whereAre = Effect.fnUntraced(function*(sessions: ReadonlyArray<EntityId>) {
    const rows = yield* silent(sql<Gateway & { readonly session_id: string }>`
      select session_id, gateway_id, address from realtime_members join realtime_gateways on id = gateway_id
      where session_id = any(${uuids([...new Set(sessions)])})
        and seen_at >= clock_timestamp() - ${inTime(goneAfter)} order by gateway_id`)
    const bySession = Map.groupBy(rows, ({ session_id }) => session_id)
    return sessions.map((session) =>
      (bySession.get(session) ?? []).map(({ address, gateway_id }) => ({ gateway_id, address }))
    )
  })

  return Presence.of({
    attend: (gateway, sessions) => orUnavailable(attend(gateway, sessions)),
    enter: (gateway, session) => orUnavailable(Effect.asVoid(enter(gateway, session))),
    leave: (gatewayId, session) =>
      orUnavailable(Effect.asVoid(silent(sql`
        delete from realtime_members where gateway_id = ${gatewayId} and session_id = ${session}::uuid`))),
    retire: (gatewayId) =>
      orUnavailable(Effect.asVoid(silent(sql`delete from realtime_gateways where id = ${gatewayId}`))),
    whereAre: (sessions) => sessions.length === 0 ? Effect.succeed([]) : orUnavailable(whereAre(sessions))
  })
})

export const layer = Layer.effect(Presence, make)
