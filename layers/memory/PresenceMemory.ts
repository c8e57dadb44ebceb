/** Gateways and the sessions that they hold members of, in the store. */
import { Effect, HashMap, Layer, Option } from "effect"
import type { EntityId } from "../../src/domain/Entity.ts"
import { type Gateway, goneAfter, openFor, Presence } from "../../src/realtime/Presence.ts"
import { type AttendingGateway, databaseNow, micros, Store } from "./StoreMemory.ts"

export const layer = Layer.effect(
  Presence,
  Effect.gen(function*() {
    const store = yield* Store
    const isThere = (now: number) => ({ seenAt }: AttendingGateway) => seenAt >= now - micros(goneAfter)

    const note = Effect.fnUntraced(function*({ address, gateway_id }: Gateway, more: ReadonlyArray<EntityId>) {
      const contents = yield* store.read
      const known = Option.getOrUndefined(HashMap.get(contents.gateways, gateway_id))
      const sessions = [...new Set([...(known?.sessions ?? []), ...more])]
      const gateway = { address, seenAt: yield* databaseNow, sessions }
      yield* store.write({ ...contents, gateways: HashMap.set(contents.gateways, gateway_id, gateway) })
    })

    const attend = Effect.fnUntraced(function*(gateway: Gateway, sessions: ReadonlyArray<EntityId>) {
      yield* note(gateway, sessions)
      const contents = yield* store.read
      const now = yield* databaseNow
      const asked = HashMap.filter(contents.sessions, (_, id) => sessions.includes(id))
      const openUntil = now + micros(openFor)
      yield* store.write({
        ...contents,
        gateways: HashMap.filter(contents.gateways, isThere(now)),
        sessions: HashMap.union(contents.sessions, HashMap.map(asked, (session) => ({ ...session, openUntil })))
      })
      return HashMap.toEntries(asked).map(([session_id, { messages }]) => ({ session_id, last_seq: messages.length }))
    })

    const leave = Effect.fnUntraced(function*(gatewayId: string, session: EntityId) {
      const contents = yield* store.read
      const gateways = HashMap.modify(contents.gateways, gatewayId, (gateway) => ({
        ...gateway,
        sessions: gateway.sessions.filter((id) => id !== session)
      }))
      yield* store.write({ ...contents, gateways })
    })

    const retire = Effect.fnUntraced(function*(gatewayId: string) {
      const contents = yield* store.read
      yield* store.write({ ...contents, gateways: HashMap.remove(contents.gateways, gatewayId) })
    })

    const whereAre = Effect.fnUntraced(function*(sessions: ReadonlyArray<EntityId>) {
      const { gateways } = yield* store.read
      const there = HashMap.toEntries(HashMap.filter(gateways, isThere(yield* databaseNow)))
        .toSorted(([a], [b]) => a < b ? -1 : 1)
      return sessions.map((session) =>
        there.filter(([, gateway]) => gateway.sessions.includes(session))
          .map(([gateway_id, { address }]) => ({ gateway_id, address }))
      )
    })

    return Presence.of({
      attend: (gateway, sessions) => store.run(attend(gateway, sessions)),
      enter: (gateway, session) => store.run(note(gateway, [session])),
      leave: (gatewayId, session) => store.run(leave(gatewayId, session)),
      retire: (gatewayId) => store.run(retire(gatewayId)),
      whereAre
    })
  })
)
